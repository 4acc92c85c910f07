//! Shares of a secret, and the secret from shares.

use crate::bytes::{Hex, text};
use crate::draws::Draws;
use crate::file::Case;
use crate::judge::{Stop, broken, refused};
use crate::kinds::Kind;
use serde::Deserialize;
use serde_json::{Value, json};
use veilsum_math::sharing::{Lagrange, Point, Secret, ShareValue, split};

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "Share",
        layer: "sharing",
        run: share,
    },
    Kind {
        name: "Rebuild",
        layer: "sharing",
        run: rebuild,
    },
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Share {
    secret: Hex<32>,
    coefficients: Vec<Hex<32>>,
    slots: Vec<u32>,
}

/// A coefficient below the order, with 32 zero bytes behind it, is what is left of it when 64 bytes are reduced.
fn share(case: &Case) -> Result<Value, Stop> {
    let i: Share = case.input()?;
    let secret = Secret::from_canonical_bytes(&i.secret.0).map_err(broken)?;
    let mut draws = Draws::new(i.coefficients.iter().map(|coefficient| {
        let mut wide = coefficient.0.to_vec();
        wide.resize(64, 0);
        wide
    }));
    let points = i
        .slots
        .iter()
        .map(|slot| Point::of_slot(*slot))
        .collect::<Vec<_>>();
    let shares = split(&secret, i.coefficients.len() + 1, &points, &mut draws).map_err(broken)?;
    draws.wrong().map_or(Ok(()), |why| Err(broken(why)))?;
    let shown = i.slots.iter().zip(&shares);
    let shown = shown
        .map(|(slot, share)| json!({ "slot": slot, "share": text(share.expose_bytes().as_ref()) }));
    Ok(json!({ "shares": shown.collect::<Vec<_>>() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rebuild {
    threshold: usize,
    shares: Vec<OneShare>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OneShare {
    slot: u32,
    share: Hex<32>,
}

/// With fewer shares than the threshold our coordinator does not begin to rebuild, which the steps of a coordinator show; here, that so few
/// do not give the secret of all.
fn rebuild(case: &Case) -> Result<Value, Stop> {
    let i: Rebuild = case.input()?;
    let mut shares = Vec::new();
    for each in &i.shares {
        let value = ShareValue::from_canonical_bytes(&each.share.0)
            .map_err(|error| refused("recover.verify", error))?;
        shares.push((Point::of_slot(each.slot), value));
    }
    if shares.len() < i.threshold {
        let found = format!("found {} shares, wanted {}", shares.len(), i.threshold);
        return Err(refused("recover.rebuild", found).into());
    }
    // Any shares will do: the first, the last and all rebuild the same.
    let all = interpolate(shares.iter())?;
    for some in [
        interpolate(shares.iter().take(i.threshold))?,
        interpolate(shares.iter().rev().take(i.threshold))?,
    ] {
        if some != all {
            return Err(broken("other shares rebuild another secret"));
        }
    }
    Ok(json!({ "secret": all }))
}

fn interpolate<'a>(shares: impl Iterator<Item = &'a (Point, ShareValue)>) -> Result<Value, Stop> {
    let (points, values): (Vec<Point>, Vec<&ShareValue>) =
        shares.map(|(point, value)| (*point, value)).unzip();
    let secret = Lagrange::at_zero(&points)
        .and_then(|lagrange| lagrange.combine(&values))
        .map_err(broken)?;
    Ok(text(secret.expose_bytes().as_ref()))
}
