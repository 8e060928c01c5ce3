//! AWS KMS, played by moto; what moto leaves out is played by a stand-in between it and us: refusals of a key that is disabled or pending
//! deletion, of who has no right, of what another key wrapped, throttling, and silence.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sealdb_crypto::{Caller, DenyReason, EncryptionContext, KeyRef, Kms, KmsError};
use sealdb_kms::Family;
use sealdb_kms::aws::{Aws, AwsSettings};
use sealdb_tests::dynamodb::tool;
use serde_json::{Value, json};

use crate::process;
use crate::suite::{Subject, conforms};

const REGION: &str = "eu-central-1";

/// What the stand-in does with calls that name a key.
#[derive(Clone)]
enum Plays {
    Nothing,
    /// An error of AWS's.
    Error(String, &'static str),
    /// Hangs up, for every key.
    Absence,
    /// Says nothing, for every key.
    Silence,
}

struct OfAws {
    moto: Child,
    /// Closed, it ends the process.
    _input: ChildStdin,
    plays: Arc<Mutex<Plays>>,
    keys: [KeyRef; 2],
    kms: Arc<Aws>,
}

impl OfAws {
    fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("moto/server.py");
        let mut moto = Command::new(tool("moto/bin/python3").unwrap())
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut port = String::new();
        let output = moto.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut port).unwrap();
        let moto_at = format!("127.0.0.1:{}", port.trim());
        let plays = Arc::new(Mutex::new(Plays::Nothing));
        let settings = AwsSettings {
            endpoint: Some(stand_in(moto_at.clone(), plays.clone())),
            timeout: Duration::from_secs(2),
            ..AwsSettings::new(REGION)
        };
        Self {
            _input: moto.stdin.take().unwrap(),
            moto,
            plays,
            keys: [(); 2].map(|()| create_key(&moto_at)),
            kms: Arc::new(Aws::new(&settings).unwrap()),
        }
    }

    fn play(&self, code: &'static str) {
        let [key, _] = self.keys();
        *self.plays.lock() = Plays::Error(key.to_string(), code);
    }
}

impl Drop for OfAws {
    fn drop(&mut self) {
        let _ = self.moto.kill();
        let _ = self.moto.wait();
    }
}

/// As an administrator.
fn create_key(moto: &str) -> KeyRef {
    let scope = format!("AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/kms/aws4_request");
    let mut response = ureq::post(format!("http://{moto}/"))
        .header("X-Amz-Target", "TrentService.CreateKey")
        .header("Content-Type", "application/x-amz-json-1.1")
        .header("Authorization", scope)
        .send("{}")
        .unwrap();
    let made: Value = serde_json::from_str(&response.body_mut().read_to_string().unwrap()).unwrap();
    made["KeyMetadata"]["Arn"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap()
}

/// Listens, and gives the address.
fn stand_in(moto: String, plays: Arc<Mutex<Plays>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (moto, plays) = (moto.clone(), plays.clone());
            std::thread::spawn(move || {
                // Who hangs up in the middle is one of the tests.
                let _ = between(stream, &moto, &plays);
            });
        }
    });
    address
}

/// One request of one connection.
fn between(mut client: TcpStream, moto: &str, plays: &Mutex<Plays>) -> std::io::Result<()> {
    let (head, body) = request(&mut client)?;
    let asked: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let named = ["KeyId", "SourceKeyId"].map(|name| asked[name].as_str().unwrap_or(""));
    let plays = plays.lock().clone();
    match plays {
        Plays::Absence => return Ok(()),
        Plays::Silence => {
            // Until the other side has had enough.
            let _ = client.read(&mut [0])?;
            return Ok(());
        }
        Plays::Error(key, code) if named.contains(&key.as_str()) => {
            return refuse(&mut client, code);
        }
        Plays::Error(..) | Plays::Nothing => {}
    }
    if wrapped_by_another(&asked) {
        return refuse(&mut client, "IncorrectKeyException");
    }
    let mut moto = TcpStream::connect(moto)?;
    moto.write_all(head.as_bytes())?;
    moto.write_all(b"connection: close\r\n\r\n")?;
    moto.write_all(&body)?;
    std::io::copy(&mut moto, &mut client)?;
    Ok(())
}

/// The head without its last line, and the body.
fn request(client: &mut TcpStream) -> std::io::Result<(String, Vec<u8>)> {
    let mut reader = BufReader::new(client);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let low = line.to_ascii_lowercase();
        if let Some(text) = low.strip_prefix("content-length:") {
            length = text.trim().parse().unwrap_or(0);
        }
        match line.trim() {
            "" => break,
            _ if low.starts_with("connection:") => {}
            _ => head += &line,
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok((head, body))
}

fn refuse(client: &mut TcpStream, code: &str) -> std::io::Result<()> {
    let body = json!({ "__type": code, "message": "the stand-in made it so" }).to_string();
    let length = body.len();
    write!(
        client,
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/x-amz-json-1.1\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

/// AWS refuses to decrypt under another key than the one that is named. Moto's ciphertext begins with the id of its key.
fn wrapped_by_another(asked: &Value) -> bool {
    let (Some(blob), Some(key)) = (asked["CiphertextBlob"].as_str(), asked["KeyId"].as_str())
    else {
        return false;
    };
    let id = key.rsplit('/').next().unwrap_or(key);
    use base64::Engine as _;
    let blob = base64::engine::general_purpose::STANDARD.decode(blob);
    blob.is_ok_and(|blob| {
        blob.get(..id.len())
            .is_some_and(|begin| begin != id.as_bytes())
    })
}

impl Subject for OfAws {
    fn kms(&self) -> Arc<dyn Kms> {
        self.kms.clone()
    }

    fn name(&self) -> &'static str {
        "aws"
    }

    fn family(&self) -> Family {
        Family::Aws {
            region: REGION.to_owned(),
        }
    }

    fn keys(&self) -> [KeyRef; 2] {
        self.keys.clone()
    }

    fn missing(&self) -> KeyRef {
        let [key, _] = self.keys();
        let (arn, _) = key
            .to_string()
            .rsplit_once('/')
            .map(|(arn, id)| (arn.to_owned(), id.to_owned()))
            .unwrap();
        format!("{arn}/00000000-0000-0000-0000-000000000000")
            .parse()
            .unwrap()
    }

    fn allow(&self, allowed: bool) {
        match allowed {
            true => *self.plays.lock() = Plays::Nothing,
            false => self.play("DisabledException"),
        }
    }

    fn refusal(&self) -> DenyReason {
        DenyReason::Disabled
    }

    fn reach(&self, reachable: bool) {
        *self.plays.lock() = match reachable {
            true => Plays::Nothing,
            false => Plays::Absence,
        };
    }
}

/// The SDK takes its credentials from the environment.
fn in_its_own_process(test: &str) {
    if tool("moto/bin/python3").is_none() {
        return;
    }
    let set = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(|name| (name, OsStr::new("test")));
    process::run(test, &set);
}

#[test]
fn aws_kms_conforms() {
    in_its_own_process("aws::conforms_in_its_own_process");
}

#[test]
#[ignore = "run by aws_kms_conforms, with its environment"]
fn conforms_in_its_own_process() {
    conforms(&OfAws::start());
}

#[test]
fn what_aws_kms_answers_has_its_class() {
    in_its_own_process("aws::answers_in_their_own_process");
}

#[test]
#[ignore = "run by what_aws_kms_answers_has_its_class, with its environment"]
fn answers_in_their_own_process() {
    let aws = OfAws::start();
    let [key, _] = aws.keys();
    let made = aws
        .kms
        .generate_data_key(&Caller::new("test"), &key, &EncryptionContext::new());
    let wrapped = made.unwrap().wrapped;
    let open = || {
        let caller = Caller::new("test");
        let opened = aws
            .kms
            .decrypt(&caller, &key, &wrapped, &EncryptionContext::new());
        opened.map(|_| ()).unwrap_err()
    };
    for (code, reason) in [
        ("AccessDeniedException", DenyReason::AccessDenied),
        ("UnrecognizedClientException", DenyReason::AccessDenied),
        ("DisabledException", DenyReason::Disabled),
        ("KMSInvalidStateException", DenyReason::PendingDeletion),
        ("NotFoundException", DenyReason::NotFound),
        ("InvalidKeyUsageException", DenyReason::WrongUsage),
    ] {
        aws.play(code);
        let error = open();
        let denied = matches!(&error, KmsError::Denied { reason: found, .. } if *found == reason);
        assert!(denied, "{code}: {error:?}");
    }
    for code in [
        "ThrottlingException",
        "KMSInternalException",
        "KeyUnavailableException",
        "DependencyTimeoutException",
        "ExpiredTokenException",
    ] {
        aws.play(code);
        let error = open();
        assert!(error.is_transient(), "{code}: {error:?}");
    }
    aws.play("InvalidCiphertextException");
    assert_eq!(open().code(), "InvalidCiphertextException");
    aws.play("ValidationException");
    assert_eq!(open().code(), "ValidationException");
    *aws.plays.lock() = Plays::Silence;
    assert!(open().is_transient());
}
