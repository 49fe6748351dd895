//! What lies between a program and its collector, and breaks.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Passes bytes on in both directions, until it cuts all connections, wherever requests and answers are just then.
pub(crate) struct Proxy {
    address: SocketAddr,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    pub(crate) fn start(to: u16) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let proxy = Self { address: listener.local_addr()?, open: Arc::default() };
        let open = Arc::clone(&proxy.open);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                // Where the collector is away the client's connection ends at once.
                let _ = client.and_then(|client| connect(client, to, &open));
            }
        });
        Ok(proxy)
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn cut(&self) {
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn connect(client: TcpStream, to: u16, open: &Mutex<Vec<TcpStream>>) -> std::io::Result<()> {
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, to))?;
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
        open.lock().unwrap().push(stream.try_clone()?);
    }
    let (from_client, to_client) = (client.try_clone()?, client);
    let (from_server, to_server) = (server.try_clone()?, server);
    std::thread::spawn(move || pass(from_client, to_server));
    std::thread::spawn(move || pass(from_server, to_client));
    Ok(())
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(length) = from.read(&mut buffer)
        && length > 0
        && to.write_all(&buffer[..length]).is_ok()
    {}
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
