//! Every kind of task there is: reading this file tells what runs in the process.

/// What a task does when a stop is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnCancel {
    /// Watches the soft token and ends by itself, its work finished.
    Finish,
    /// Ends by itself when what it reads from has closed, and takes in the rest of it first. Whoever
    /// closes that says why, so this end is no failure.
    Follow,
    /// Holds nothing worth finishing: dropped at once.
    Abort,
}

/// What follows when a task fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// The process stops: without this task it would lie to its callers. Ending unasked counts too.
    ShutDown,
    /// It is logged, and the rest goes on.
    Log,
}

macro_rules! task_kinds {
    ($($(#[$doc:meta])* $kind:ident: $name:literal, $cancel:ident, $failure:ident;)+) => {
        /// A kind of task, with its name and its contract.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum TaskKind {
            $($(#[$doc])* $kind,)+
        }

        impl TaskKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$kind),+];

            /// The name in logs, and of the thread where it has one (at most 15 bytes).
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)+ }
            }

            /// What it does when a stop is asked.
            pub const fn on_cancel(self) -> OnCancel {
                match self { $(Self::$kind => OnCancel::$cancel,)+ }
            }

            /// What follows when it fails.
            pub const fn on_failure(self) -> OnFailure {
                match self { $(Self::$kind => OnFailure::$failure,)+ }
            }
        }
    };
}

task_kinds! {
    /// Accepts connections and serves them.
    Listener: "listener", Finish, ShutDown;
    /// Looks for a new certificate of the listener.
    Certificate: "certificate", Abort, Log;
    /// Runs the scheduler's loop.
    Dispatcher: "dispatcher", Finish, ShutDown;
    /// One attempt to deliver.
    Attempt: "attempt", Finish, Log;
    /// Takes events into the hub.
    Hub: "hub", Follow, ShutDown;
    /// Passes on what the hub emits.
    Relay: "relay", Abort, ShutDown;
    /// Says what the clock has to say of subscriptions.
    Subscriptions: "subscriptions", Abort, ShutDown;
    /// Asks a hosted model about support tickets, and escalates those that wait.
    Desk: "desk", Abort, Log;
    /// Closes idle connections to receivers.
    Connections: "connections", Abort, Log;
    /// Brings settled events into the journal.
    Journal: "journal", Follow, ShutDown;
    /// Answers reads and writes of the control database.
    Control: "control", Finish, ShutDown;
    /// Carries out one change that was asked over HTTP.
    Change: "change", Finish, Log;
    /// Takes a backup of the store.
    Backup: "backup", Finish, Log;
    /// Releases quarantined events of types that the registry has learned.
    Quarantine: "quarantine", Abort, Log;
    /// Carries out the replays that were asked for; what it leaves goes on after the next start.
    Replay: "replay", Abort, Log;
    /// Rewrites the outbox without what was removed.
    Compaction: "compaction", Abort, Log;
    /// Deletes what is past its retention.
    Retention: "retention", Abort, Log;
    /// Refreshes the gauges that are measured, not counted.
    Gauges: "gauges", Abort, Log;
    /// Takes the samples that the overview draws.
    Samples: "samples", Abort, Log;
    /// Tells whoever listens to the stream what comes.
    Live: "live", Finish, Log;
    /// Sends spans to the collector.
    Traces: "traces", Abort, Log;
    /// Tells operators by events what happens to the broker itself.
    Watch: "watch", Abort, Log;
}
