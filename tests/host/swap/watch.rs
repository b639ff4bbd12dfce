//! The plugin's file changes, and the host swaps by itself.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use roster_host::plugin::BUILT_IN;
use roster_host::swap::{Outcome, Receipt};
use roster_tests::host::{TestHost, config, until};
use roster_tests::modules::{self, Folder};
use roster_tests::web_app::{Reply, WebApp};

/// A folder with a plugin, and a host that runs it.
struct Watched {
    folder: Folder,
    host: TestHost,
    _app: WebApp,
}

/// A module with other bytes and the same code: a custom section more.
fn stamped(stamp: u8) -> Vec<u8> {
    modules::stamped(BUILT_IN, stamp)
}

impl Watched {
    async fn new(name: &str, prepare: impl FnOnce(&Folder) -> PathBuf) -> Self {
        let folder = Folder::new(name);
        let app = WebApp::start().await;
        app.set_otherwise(Reply::contacts(&["a@x"]));
        let mut config = config(&app);
        config.hosts[0].plugin = Some(prepare(&folder).into());
        let host = TestHost::with(config).await;
        host.connect("john").await;
        Self { folder, host, _app: app }
    }

    /// A plain file in the folder.
    async fn file(name: &str) -> Self {
        Self::new(name, |folder| {
            folder.put("my.wasm", BUILT_IN);
            folder.path("my.wasm")
        })
        .await
    }

    fn history(&self) -> Vec<Receipt> {
        self.host.swapper.status().history
    }

    async fn receipts(&self, count: usize) -> Vec<Receipt> {
        until("the swap is noticed", || async { self.history().len() >= count }).await;
        let history = self.history();
        assert_eq!(history.len(), count, "{history:?}");
        assert!(history.iter().all(|receipt| receipt.trigger == "watch"), "{history:?}");
        history
    }

    async fn swapped(&self, count: usize) {
        let receipt = self.receipts(count).await.remove(0);
        assert_eq!((receipt.outcome, &receipt.reason), (Outcome::Swapped, &None));
        self.host.refresh(&["john"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_renamed_into_place_takes_over_and_a_burst_of_them_is_one() {
    let watched = Watched::file("rename").await;
    watched.folder.put("my.wasm", &stamped(1));
    watched.swapped(1).await;
    // The same content again is no other module, and files beside it are nobody's business.
    watched.folder.put("my.wasm", &stamped(1));
    watched.folder.put("another.wasm", b"x");
    for _ in 0..50 {
        watched.folder.put("my.wasm", b"half of a module");
        watched.folder.put("my.wasm", &stamped(2));
    }
    until("the last of the burst serves", || async {
        watched.host.swapper.status().serves.digest.to_string() == digest(&stamped(2))
    })
    .await;
    // Whether one of the halves was still there when the burst was over is a matter of luck; more is not.
    assert!(watched.history().len() <= 10, "{:?}", watched.history());
}

fn digest(bytes: &[u8]) -> String {
    roster_host::plugin::Digest::of(bytes).to_string()
}

/// How a file is written: how many pieces, the pause between two, and whether it is closed between them.
struct Writer {
    name: &'static str,
    pieces: usize,
    pause: Duration,
    close: bool,
    truncate: bool,
}

impl Writer {
    async fn write(&self, path: &Path, whole: &[u8]) {
        let open = |first: bool| {
            let mut options = fs::File::options();
            options.write(true).create(true).truncate(first && self.truncate);
            options.open(path).unwrap()
        };
        let mut file = open(true);
        let size = whole.len() / self.pieces + 1;
        for (number, piece) in whole.chunks(size).enumerate() {
            if number > 0 {
                tokio::time::sleep(self.pause).await;
                if self.close {
                    file = open(false);
                }
            }
            file.write_all_at(piece, (number * size) as u64).unwrap();
        }
        file.set_len(whole.len() as u64).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_written_slowly_is_one_swap_when_it_is_whole() {
    let (short, long) = (Duration::from_millis(10), Duration::from_millis(600));
    let writers = [
        Writer { name: "kept open", pieces: 20, pause: short, close: false, truncate: true },
        Writer { name: "kept open, with pauses", pieces: 7, pause: long, close: false, truncate: true },
        Writer { name: "closed after each piece", pieces: 7, pause: long, close: true, truncate: true },
        Writer { name: "closed, one piece after another", pieces: 40, pause: short, close: true, truncate: true },
        Writer { name: "over the old one", pieces: 7, pause: long, close: false, truncate: false },
        Writer { name: "over the old one, closed", pieces: 7, pause: long, close: true, truncate: false },
    ];
    let all = writers.into_iter().enumerate().map(|(number, writer)| async move {
        let watched = Watched::file("slow").await;
        let whole = stamped(100 + u8::try_from(number).unwrap());
        writer.write(&watched.folder.path("my.wasm"), &whole).await;
        until("it serves", || async { watched.host.swapper.status().serves.digest.to_string() == digest(&whole) })
            .await;
        // Whatever was left to be done would be by now.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let history = watched.history();
        assert_eq!(history.len(), 1, "{}: {history:?}", writer.name);
    });
    futures::future::join_all(all).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn content_that_was_refused_is_not_refused_again() {
    let watched = Watched::file("refused").await;
    let (bad, other) = (b"no module".as_slice(), b"nor is this".as_slice());
    watched.folder.put("my.wasm", bad);
    watched.receipts(1).await;
    watched.folder.put("my.wasm", other);
    watched.receipts(2).await;
    for _ in 0..3 {
        watched.folder.put("my.wasm", bad);
        tokio::time::sleep(Duration::from_millis(300)).await;
        watched.folder.put("my.wasm", other);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert_eq!(watched.history().len(), 2, "{:?}", watched.history());
    watched.folder.put("my.wasm", &stamped(10));
    watched.swapped(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_file_is_refused_and_tried_again_when_the_rest_has_come() {
    let watched = Watched::file("half").await;
    let whole = stamped(4);
    let (beginning, end) = whole.split_at(whole.len() / 2);
    fs::write(watched.folder.path("my.wasm"), beginning).unwrap();
    let refused = watched.receipts(1).await.remove(0);
    assert_eq!((refused.outcome, refused.step.name()), (Outcome::Refused, "compile"), "{refused:?}");
    watched.host.refresh(&["john"]).await;
    let mut file = fs::File::options().append(true).open(watched.folder.path("my.wasm")).unwrap();
    file.write_all(end).unwrap();
    drop(file);
    watched.swapped(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_goes_away_and_comes_back_is_seen() {
    let watched = Watched::file("gone").await;
    fs::remove_dir_all(watched.folder.root()).unwrap();
    watched.host.refresh(&["john"]).await;
    // Longer than the host looks at the folder that is no more.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    fs::create_dir_all(watched.folder.root()).unwrap();
    watched.folder.put("my.wasm", &stamped(5));
    watched.swapped(1).await;
    watched.folder.put("my.wasm", &stamped(6));
    watched.swapped(2).await;
}

/// As Kubernetes replaces the files of a config map: all links stay but one, which is renamed over.
#[tokio::test(flavor = "multi_thread")]
async fn links_are_followed_to_where_they_point_now() {
    fn publish(folder: &Path, number: u8, bytes: &[u8]) {
        let version = folder.join(format!("..2026_{number}"));
        fs::create_dir(&version).unwrap();
        fs::write(version.join("my.wasm"), bytes).unwrap();
        symlink(version.file_name().unwrap(), folder.join("..data_tmp")).unwrap();
        fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    }
    let watched = Watched::new("links", |folder| {
        publish(folder.root(), 1, BUILT_IN);
        symlink("..data/my.wasm", folder.path("my.wasm")).unwrap();
        folder.path("my.wasm")
    })
    .await;
    publish(watched.folder.root(), 2, &stamped(7));
    watched.swapped(1).await;
    publish(watched.folder.root(), 3, &stamped(8));
    watched.swapped(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_was_put_back_by_hand_is_left_alone() {
    let watched = Watched::file("rollback").await;
    watched.folder.put("my.wasm", &stamped(9));
    watched.swapped(1).await;
    let back = watched.host.swapper.roll_back(None).await;
    assert_eq!(back.outcome, Outcome::Swapped);
    fs::write(watched.folder.path("beside"), b"x").unwrap();
    fs::File::options().append(true).open(watched.folder.path("my.wasm")).unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(watched.host.swapper.status().serves.digest.to_string(), digest(BUILT_IN));
    assert_eq!(watched.history().len(), 2);
}
