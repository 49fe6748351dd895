//! Proxies that speak SOCKS5, and those that are reached by TLS.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use super::network::{address, through_proxy};
use super::*;
use crate::settings::{ProxyLogin, ProxyProtocol};

over_each_protocol! {
    requests_go_through_a_socks_proxy_with_and_without_a_login,
    a_socks_proxy_that_refuses_is_named_with_its_reason,
}

/// A SOCKS5 proxy that connects to one collector, whatever name it is given.
struct Socks {
    address: String,
    /// Names and ports that were requested.
    requested: Arc<Mutex<Vec<String>>>,
    _runtime: tokio::runtime::Runtime,
}

/// What the proxy demands, and answers.
#[derive(Clone, Copy)]
struct Rules {
    /// User and password are `user` and `p@ss`.
    wants_login: bool,
    reply: u8,
}

impl Socks {
    fn start(target: String, rules: Rules) -> Self {
        let runtime = runtime();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requested = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&requested);
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, target.clone(), rules, Arc::clone(&shared)));
            }
        });
        Self { address, requested, _runtime: runtime }
    }

    fn settings(&self, protocol: Protocol, login: Option<ProxyLogin>) -> ExportSettings {
        let mut settings = through_proxy(&self.address, protocol);
        settings.target.proxy.as_mut().unwrap().protocol = ProxyProtocol::Socks5 { login };
        settings
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// `None` if the client has closed the connection.
async fn serve(
    mut client: TcpStream,
    target: String,
    rules: Rules,
    requested: Arc<Mutex<Vec<String>>>,
) -> Option<()> {
    let [5, count] = read(&mut client).await? else { panic!("the version is 5") };
    let mut methods = vec![0; usize::from(count)];
    client.read_exact(&mut methods).await.ok()?;
    let method = if rules.wants_login { 2 } else { 0 };
    let method = if methods.contains(&method) { method } else { 0xff };
    client.write_all(&[5, method]).await.ok()?;
    if method == 2 {
        let mut login = [0; 2 + 4 + 1];
        client.read_exact(&mut login).await.ok()?;
        let mut password = vec![0; usize::from(login[6])];
        client.read_exact(&mut password).await.ok()?;
        let is_right = login == *b"\x01\x04user\x04" && password == b"p@ss";
        client.write_all(&[1, u8::from(!is_right)]).await.ok()?;
    }
    let [5, 1, 0, 3, length] = read(&mut client).await? else { panic!("a connection to a name") };
    let mut name = vec![0; usize::from(length)];
    client.read_exact(&mut name).await.ok()?;
    let port = u16::from_be_bytes(read(&mut client).await?);
    requested.lock().unwrap().push(format!("{}:{port}", String::from_utf8(name).unwrap()));
    let bound: &[u8] = if port % 2 == 0 { &[1, 0, 0, 0, 0, 0, 0] } else { &[3, 1, b'p', 0, 0] };
    client.write_all(&[&[5, rules.reply, 0], bound].concat()).await.ok()?;
    if rules.reply == 0 {
        let mut server = TcpStream::connect(target).await.ok()?;
        copy_bidirectional(&mut client, &mut server).await.ok()?;
    }
    Some(())
}

async fn read<const N: usize>(stream: &mut TcpStream) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await.ok().map(|_| bytes)
}

fn login() -> Option<ProxyLogin> {
    Some(ProxyLogin { user: b"user".to_vec(), password: b"p@ss".to_vec() })
}

fn requests_go_through_a_socks_proxy_with_and_without_a_login(protocol: Protocol) {
    for wants_login in [false, true] {
        for port in [4317, 4318] {
            let collector = Collector::start().unwrap();
            let proxy = Socks::start(address(&collector), Rules { wants_login, reply: 0 });
            let mut settings = proxy.settings(protocol, login());
            settings.target.uri = format!("http://collector.invalid:{port}/").parse().unwrap();
            let mut pipeline = Pipeline::with(Signal::Traces, QUEUE, settings);
            pipeline.push_spans(0, 250);
            let (_, counts) = pipeline.shutdown(PATIENCE);
            assert_eq!(counts, SignalStats { accepted: 250, delivered: 250, ..Default::default() });
            assert_eq!(sorted_spans(&collector), numbers(0..250));
            let requested = proxy.requested.lock().unwrap();
            let expected = format!("collector.invalid:{port}");
            assert!(!requested.is_empty() && requested.iter().all(|one| *one == expected), "{requested:?}");
            assert_eq!(pipeline.lines(), [""; 0]);
        }
    }
}

fn a_socks_proxy_that_refuses_is_named_with_its_reason(protocol: Protocol) {
    let wrong = || Some(ProxyLogin { user: b"user".to_vec(), password: b"hunter2".to_vec() });
    for (wants_login, reply, login, reason, advice) in [
        (false, 2, None, "connection not allowed by ruleset", "NO_PROXY"),
        (false, 5, None, "connection refused", "NO_PROXY"),
        (true, 0, wrong(), "that the user name or password is wrong", "user and password"),
        (true, 0, None, "that it requires other credentials", "user and password"),
    ] {
        let proxy = Socks::start(String::new(), Rules { wants_login, reply });
        let settings = proxy.settings(protocol, login);
        let mut pipeline = Pipeline::with(Signal::Traces, QUEUE, settings);
        pipeline.push_spans(0, 3);
        pipeline.shutdown(Duration::from_secs(2));
        pipeline.wait_until(|counts| counts.failed == 3);
        let line = pipeline.first_line();
        let expected = format!("the proxy {} (HTTP_PROXY) answered {reason}", proxy.address);
        assert!(line.contains(&expected) && line.contains(advice), "{line}");
        assert!(!line.contains("hunter2"), "{line}");
    }
}

/// Terminates TLS, and passes what is inside on to a proxy of HTTP. Returns its port.
#[cfg(feature = "tls")]
fn tls_terminator(
    target: String,
    runtime: &tokio::runtime::Runtime,
    chain: rcgen::CertifiedKey<rcgen::KeyPair>,
    connections: Arc<AtomicUsize>,
) -> u16 {
    use rustls::pki_types::PrivateKeyDer;

    let key = PrivateKeyDer::try_from(chain.signing_key.serialize_der()).unwrap();
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![chain.cert.der().clone()], key)
            .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    runtime.spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (acceptor, target, connections) =
                (acceptor.clone(), target.clone(), Arc::clone(&connections));
            tokio::spawn(async move {
                let mut client = acceptor.accept(client).await.ok()?;
                connections.fetch_add(1, Ordering::Relaxed);
                let mut server = TcpStream::connect(target).await.ok()?;
                copy_bidirectional(&mut client, &mut server).await.ok()
            });
        }
    });
    port
}

#[cfg(feature = "tls")]
#[test]
fn a_proxy_is_reached_by_tls_and_its_certificate_is_checked() {
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
        for is_trusted in [true, false] {
            let collector = Collector::start().unwrap();
            let plain = network::TestProxy::to(&collector);
            let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), certificate.cert.pem()).unwrap();
            let (runtime, connections) = (runtime(), Arc::default());
            let port = tls_terminator(plain.address.clone(), &runtime, certificate, Arc::clone(&connections));
            let mut settings = through_proxy("unused", protocol);
            settings.target.proxy.as_mut().unwrap().uri =
                format!("https://localhost:{port}/").parse().unwrap();
            settings.target.tls.certificate = is_trusted.then(|| file.path().to_owned());
            let mut pipeline = Pipeline::with(Signal::Traces, QUEUE, settings);
            pipeline.push_spans(0, 3);
            let (_, counts) = pipeline.shutdown(Duration::from_secs(5));
            if is_trusted {
                assert_eq!(counts, SignalStats { accepted: 3, delivered: 3, ..Default::default() });
                assert!(connections.load(Ordering::Relaxed) > 0);
            } else {
                let line = pipeline.first_line();
                let expected = format!(
                    "cannot connect to the proxy localhost:{port} (HTTP_PROXY): invalid peer certificate"
                );
                assert!(line.contains(&expected), "{line}");
                assert_eq!(collector.spans().len(), 0);
            }
        }
    }
}
