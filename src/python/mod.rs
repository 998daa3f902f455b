//! The interpreter: starting it, loading the application, the threads that run it, ending it.
//!
//! May use pyo3 and `exchange`; never sockets, never hyper. What the threads run is handed in by `server`, so
//! this room knows nothing of WSGI.

pub mod crew;
pub mod debugging;
pub mod embed;
pub mod failure;
pub mod fork;
pub mod framework;
pub mod gunicorn_conf;
pub mod interrupt;
pub mod lender;
pub mod load;
pub mod logging;
pub mod modules;
pub mod pace;
pub mod pool;
pub mod ready_hook;
pub mod seat;
pub mod shutdown;
pub mod stacks;
pub mod streams;
pub mod traceback;
pub mod variables;
pub mod venv;
pub mod watch;
