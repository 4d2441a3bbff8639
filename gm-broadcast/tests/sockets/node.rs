//! A node on the loopback interface, with helpers that wait for its outputs.

use std::time::Duration;

use gm_broadcast::runtime::{
    DeliverAll, DeliveredBody, MachineOutput, Multicast, RuntimeHandle, RuntimeSettings, Sockets, entropy,
    start,
};
use gm_broadcast::{BroadcastCommand, BroadcastEvent, BroadcastMachine, BroadcastRequest, Time};
use gm_clock::NetId;
use gm_codec::{ApplicationPayload, Body, FrameCodec, Key, Keyring, Limits};
use tokio::sync::mpsc::Receiver;

/// Timeout of every wait.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Node {
    pub(crate) shell: RuntimeHandle<BroadcastMachine<DeliverAll>>,
    said: Receiver<MachineOutput<DeliveredBody, BroadcastEvent>>,
}

/// Starts a node on a free port of 127.0.0.1, without multicast.
pub(crate) fn local() -> RuntimeSettings {
    RuntimeSettings {
        address: Some([127, 0, 0, 1].into()),
        port: 0,
        multicast: Multicast::Off,
        ..RuntimeSettings::default()
    }
}

impl Node {
    pub(crate) fn start(settings: RuntimeSettings) -> Node {
        let sockets = Sockets::open(&settings).unwrap();
        let keyring = Keyring::new(Key::new([7; 32]));
        let codec = FrameCodec::new("sockets".parse().unwrap(), keyring, Limits::default()).unwrap();
        let mut config = sockets.config();
        // A node without peers asks often here.
        config.timings.exchange = Duration::from_millis(300);
        let machine =
            BroadcastMachine::new(config, codec, DeliverAll, entropy().unwrap(), Time::ZERO).unwrap();
        let (shell, said) = start(machine, sockets).unwrap();
        Node { shell, said }
    }

    /// Drops the handle; outputs can be received until the runtime has stopped.
    pub(crate) fn into_outputs(self) -> Receiver<MachineOutput<DeliveredBody, BroadcastEvent>> {
        self.said
    }

    pub(crate) fn me(&self) -> NetId {
        self.shell.me()
    }

    pub(crate) async fn know(&self, others: &[&Node]) {
        let others = others.iter().map(|other| other.me()).collect();
        self.shell.send(BroadcastCommand::AddNodes(others)).await.unwrap();
    }

    pub(crate) async fn broadcast(&self, text: &str) {
        let body = Body::Application(ApplicationPayload {
            name: "test".into(),
            bytes: text.as_bytes().to_vec().into(),
        });
        self.shell.send(BroadcastCommand::Broadcast(BroadcastRequest::new(body))).await.unwrap();
    }

    /// Waits for the next delivery, which must be this one.
    pub(crate) async fn receives(&mut self, sender: NetId, text: &str) {
        let heard = async {
            loop {
                match self.said.recv().await.unwrap() {
                    MachineOutput::Delivery(DeliveredBody { origin, body: Body::Application(said) }) => {
                        return (origin, said.bytes);
                    }
                    MachineOutput::Delivery(_) | MachineOutput::Event(_) => {}
                }
            }
        };
        let (from, bytes) = tokio::time::timeout(PATIENCE, heard).await.unwrap();
        assert!((from, &bytes[..]) == (sender, text.as_bytes()), "{from} sent another text");
    }

    pub(crate) async fn knows(&self, count: usize) {
        eventually(|| async {
            self.shell.with_machine(|machine| machine.broadcaster.known().len()).await.unwrap() >= count
        })
        .await;
    }

    pub(crate) async fn is_near(&self, count: usize) {
        eventually(|| async {
            self.shell.with_machine(|machine| machine.broadcaster.near().count()).await.unwrap() >= count
        })
        .await;
    }
}

/// Waits until a condition holds.
pub(crate) async fn eventually<F: Future<Output = bool>>(mut holds: impl FnMut() -> F) {
    let all = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, all).await.unwrap();
}
