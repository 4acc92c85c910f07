"""Golden epsilons of the accountant, by Google's dp-accounting.

Needs dp-accounting and mpmath. Divergences that dp-accounting has no mechanism for (Skellam, discrete Laplace, sums of
discrete Gaussians) are computed here, by formulas or by summing the exact law, and converted by dp-accounting. Writes
../data/accountant.json. `relation` is "close" where the Rust result must be within 1 % above, "coarse" within 3 %
above, "above" where it must only not be below, "near" where the law here and that of dp-accounting differ by 1e-5.
"""

import json
import math
from pathlib import Path

import dp_accounting as dp
from dp_accounting.pld import privacy_loss_distribution as pld
from dp_accounting.rdp import rdp_privacy_accountant as rdp
from mpmath import besseli, exp, log, mp, mpf

mp.prec = 100
ORDERS = rdp.DEFAULT_RDP_ORDERS
WHOLE = [order for order in ORDERS if order == int(order)]
rows = []


def row(name, law, sensitivity, rounds, delta, epsilon, relation="close", **more):
    rows.append(
        dict(name=name, law=law, rounds=rounds, delta=delta, epsilon=float(epsilon), relation=relation, **sensitivity, **more)
    )


def vector(l2, coordinates):
    """Integers of an L2 clip, compared with zeros."""
    return {"clip": {"l2": str(l2)}, "coordinates": coordinates}


def counts(l1):
    return {"clip": {"l1": str(l1)}, "coordinates": 1000}


def norms(sensitivity):
    d = sensitivity["coordinates"]
    if "l1" in sensitivity["clip"]:
        l1 = float(sensitivity["clip"]["l1"])
        return l1, l1 * l1
    l2 = float(sensitivity["clip"]["l2"])
    return min(math.floor(math.sqrt(d) * l2), l2 * l2), l2 * l2


def converted(divergence, rounds, delta, orders=ORDERS):
    return rdp.compute_epsilon(orders, [rounds * divergence(order) for order in orders], delta)[0]


def gaussians():
    for l2, parameter, coordinates, rounds, delta in [
        (10, 400, 25, 1, 1e-6),
        (100, 40000, 4096, 100, 1e-5),
        (7, 49, 1, 1000, 1e-8),
        (1000, 250000, 1048576, 10, 1e-5),
    ]:
        accountant = rdp.RdpAccountant()
        event = dp.GaussianDpEvent(math.sqrt(parameter) / l2)
        accountant.compose(event, rounds)
        law = {"discrete-gaussian": {"parameter": str(parameter)}}
        row("gaussian", law, vector(l2, coordinates), rounds, delta, accountant.get_epsilon(delta), shares=1)


def exact_gaussians():
    """The true epsilon of one coordinate, by privacy loss distribution: never to be undercut."""
    for l2, parameter, rounds, delta in [(10, 400, 1, 1e-6), (3, 100, 50, 1e-5)]:
        loss = pld.from_discrete_gaussian_mechanism(math.sqrt(parameter), sensitivity=l2, value_discretization_interval=1e-4)
        law = {"discrete-gaussian": {"parameter": str(parameter)}}
        epsilon = loss.self_compose(rounds).get_epsilon_for_delta(delta)
        row("gaussian pld", law, vector(l2, 1), rounds, delta, epsilon, "above", shares=1)


def summed_gaussians():
    for l2, parameter, coordinates, shares, rounds, delta in [
        (100, 40000, 1024, 100, 10, 1e-5),
        (10, 400, 16, 50, 1, 1e-6),
        (20, 400, 16, 300, 5, 1e-6),
    ]:
        sensitivity = vector(l2, coordinates)
        l1, l2_squared = norms(sensitivity)
        own = parameter / shares
        tau = 10 * sum(math.exp(-2 * math.pi**2 * own * k / (k + 1)) for k in range(1, shares))
        d1, d2 = l1 / math.sqrt(parameter), math.sqrt(l2_squared / parameter)

        def divergence(a):
            return min(
                a / 2 * d2**2 + tau * coordinates,
                a / 2 * (d2**2 + 2 * d1 * tau + tau**2 * coordinates),
                a / 2 * (d2 + math.sqrt(coordinates) * tau) ** 2,
            )

        law = {"discrete-gaussian": {"parameter": str(parameter)}}
        epsilon = converted(divergence, rounds, delta)
        row("summed gaussians", law, sensitivity, rounds, delta, epsilon, shares=shares)


def skellams():
    for sensitivity, variance, rounds, delta in [
        (vector(10, 25), 400, 1, 1e-6),
        (vector(100, 4096), 40000, 100, 1e-5),
        (vector(1000, 1048576), 4000000, 10, 1e-8),
        (counts(1), 50, 200, 1e-6),
    ]:
        l1, l2_squared = norms(sensitivity)

        def divergence(a):
            near = ((2 * a - 1) * l2_squared + 6 * l1) / (4 * variance**2)
            return a * l2_squared / (2 * variance) + min(near, 3 * l1 / (2 * variance))

        law = {"skellam": {"variance": str(variance)}}
        epsilon = converted(divergence, rounds, delta, WHOLE)
        row("skellam", law, sensitivity, rounds, delta, epsilon, shares=1)


def exact_skellams():
    """Divergences of the exact law of one coordinate."""
    for shift, variance, rounds, delta in [(1, 50, 200, 1e-6), (5, 400, 10, 1e-5), (1, 8, 1, 1e-4)]:
        reach = 30 * int(math.sqrt(variance)) + 200
        mass = {k: exp(-mpf(variance)) * besseli(abs(k), variance) for k in range(-reach, reach + shift + 1)}

        def divergence(a):
            terms = (mass[k] * (mass[k - shift] / mass[k]) ** a for k in range(-reach + shift, reach + 1))
            return float(log(sum(terms)) / (a - 1))

        law = {"skellam": {"variance": str(variance)}}
        epsilon = converted(divergence, rounds, delta, [order for order in WHOLE if order <= 64])
        row("skellam exact", law, vector(shift, 1), rounds, delta, epsilon, "above", shares=1)


def discrete_laplaces():
    for l1, scale, rounds, delta in [(1, 10, 100, 1e-6), (3, 20, 50, 1e-5), (2, 1, 3, 1e-6), (1, 150, 10000, 1e-7)]:
        p = exp(-1 / mpf(scale))
        reach = 45 * scale + 50

        def divergence(a):
            terms = (p ** (a * abs(x - l1) - (a - 1) * abs(x)) for x in range(-reach, reach))
            return float(log(sum(terms) * (1 - p) / (1 + p)) / (a - 1))

        law = {"polya": {"scale": str(scale), "shape": "1"}}
        orders = [order for order in ORDERS if order <= 64]
        epsilon = min(converted(divergence, rounds, delta, orders), rounds * l1 / scale)
        row("discrete laplace", law, counts(l1), rounds, delta, epsilon, shares=1)
        # Each round rounds its loss up by at most the grid: by 0.01 over all rounds.
        grid = 0.01 / rounds / 2
        loss = pld.from_discrete_laplace_mechanism(1 / scale, sensitivity=l1, value_discretization_interval=grid)
        epsilon = loss.self_compose(rounds).get_epsilon_for_delta(delta)
        row("discrete laplace pld", law, counts(l1), rounds, delta, epsilon, "above", shares=1)
        if rounds == 3:
            pure = pld.from_discrete_laplace_mechanism(1 / scale, sensitivity=l1).get_epsilon_for_delta(0)
            row("discrete laplace pure", law, counts(l1), 1, 1e-30, pure, shares=1)
    # With a wide scale the law is the continuous one, which dp-accounting has.
    for l1, scale, rounds, delta in [(100, 1000, 100, 1e-6), (1000, 2000, 20, 1e-5)]:
        accountant = rdp.RdpAccountant()
        accountant.compose(dp.LaplaceDpEvent(scale / l1), rounds)
        epsilon = min(accountant.get_epsilon(delta), rounds * l1 / scale)
        law = {"polya": {"scale": str(scale), "shape": "1"}}
        row("wide laplace", law, counts(l1), rounds, delta, epsilon, "near", shares=1)


def sampled():
    for l2, parameter, rate, rounds, delta in [(10, 400, 0.01, 1000, 1e-5), (10, 100, 0.1, 100, 1e-6), (6, 36, 0.001, 5000, 1e-5)]:
        law = {"discrete-gaussian": {"parameter": str(parameter)}}
        event = dp.GaussianDpEvent(math.sqrt(parameter) / l2)
        accountant = rdp.RdpAccountant()
        accountant.compose(dp.PoissonSampledDpEvent(rate, event), rounds)
        epsilon = accountant.get_epsilon(delta)
        # Where the best order is below 3 the Rust side, which only has whole orders, is up to 3 % above.
        relation = "close" if epsilon < 5 else "coarse"
        sampling = {"poisson": {"rate": rate}}
        row("poisson", law, vector(l2, 16), rounds, delta, epsilon, relation, shares=1, sampling=sampling)
        accountant = rdp.RdpAccountant(neighboring_relation=dp.NeighboringRelation.REPLACE_ONE)
        # Half the clip: replacing doubles it.
        event = dp.SampledWithoutReplacementDpEvent(1000000, int(rate * 1000000), event)
        accountant.compose(event, rounds)
        epsilon = accountant.get_epsilon(delta)
        sensitivity = vector(f"{l2}/2", 16)
        sampling = {"without-replacement": {"rate": rate}}
        row("without replacement", law, sensitivity, rounds, delta, epsilon, "above", shares=1, sampling=sampling)


if __name__ == "__main__":
    gaussians()
    exact_gaussians()
    summed_gaussians()
    skellams()
    exact_skellams()
    discrete_laplaces()
    sampled()
    target = Path(__file__).parent.parent / "data" / "accountant.json"
    target.write_text("[\n" + ",\n".join(" " + json.dumps(row) for row in rows) + "\n]\n")
    print(len(rows), "rows")
