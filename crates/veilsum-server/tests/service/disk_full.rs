//! A disk without room: the upload that meets it pays, nobody else does.

use std::{process::Command, time::Duration};

use veilsum_proto::ids::Round;

use crate::support::*;

const DIM: u64 = 50_000;
const CHILD: &str = "VEILSUM_TEST_SMALL_FILES";

/// Runs itself again in a process whose files may not grow beyond 32 KiB, which shows as a full disk would.
// spec: [service.stage.disk-full] [service.stage.ask-again]
#[cfg(unix)]
#[test]
fn a_full_disk_costs_one_upload_and_the_sender_may_try_again() {
    if std::env::var_os(CHILD).is_some() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        return runtime.block_on(small_files());
    }
    let output = Command::new("sh")
        .args(["-c", "ulimit -f 32 && exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "disk_full::a_full_disk_costs_one_upload_and_the_sender_may_try_again",
            "--nocapture",
        ])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{:?}\n{text}\n{errors}",
        output.status
    );
    assert!(text.contains("1 passed"), "{text}");
}

async fn small_files() {
    let federation = Federation::new(3);
    let mut counts = task("counts", DIM, 0);
    counts.gather.members = Some(3);
    let bytes = counts.task.plan(3).unwrap().packed_bytes();
    assert!(bytes > 64 << 10, "an update must not fit a file");
    let mut config = federation.config();
    config.staging_budget = bytes as u64; // room in memory for one
    let mut house = federation.serve_with(config, vec![counts]);
    let _other = federation
        .site(0)
        .run(house.address, |message| match message.body.name() {
            "ShareSet" => Act::Dawdle(2000),
            _ => Act::Go,
        });
    let one = ready(&federation, &house, 1);
    let two = ready(&federation, &house, 2);
    let (mut one, mut two) = tokio::join!(one, two);
    // member 1 holds the memory, so member 2 spills
    let mut holding = one.1.1.open_upload(one.2.encode().into()).await.unwrap();
    holding.write(&one.3[..1000]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    // the stop may come before or after the end of the stream is acknowledged
    let _ = send_upload(&two.1.1, &two.2, &two.3).await;
    assert_eq!(fault_notice(&mut two.1).await, "disk_full");
    assert_eq!(files(&federation.state().join("staging")), 0);
    holding.write(&one.3[1000..]).await.unwrap();
    holding.finish().await.unwrap();
    let stored = next(&mut one.1).await;
    assert_eq!(stored.body.name(), "UploadStored");
    one.0.handle(&stored);
    // member 2 is asked for the same bytes again, without a word of its own
    while next(&mut two.1).await.body.name() != "ShareSet" {}
    send_upload(&two.1.1, &two.2, &two.3).await.unwrap();
    let _one = tokio::spawn(async move {
        loop {
            let message = next(&mut one.1).await;
            if let Some(answer) = one.0.handle(&message) {
                one.1.1.send(answer.encode().into()).await.unwrap();
            }
        }
    });
    let (.., survivors, sum) = finish(&mut two.0, &mut two.1, &mut house).await;
    assert_eq!(survivors, [0, 1, 2]);
    assert_eq!(sum, plain_sum(&survivors, Round(1), DIM));
}
