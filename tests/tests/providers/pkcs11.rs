//! PKCS#11, with SoftHSM2 for the hardware. Its configuration comes by an environment variable, so each test runs itself again in a process
//! of its own that has it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cryptoki::context::{CInitializeArgs, Pkcs11 as Module};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use sealdb_crypto::{Caller, DenyReason, EncryptionContext, KeyRef, Kms, KmsError};
use sealdb_kms::Family;
use sealdb_kms::pkcs11::{Pkcs11, Pkcs11Settings};

use crate::process;
use crate::suite::{Subject, conforms};

const PLACES: [&str; 3] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
];
const TOKEN: &str = "of the tests";
const PIN: &str = "1234";
const DIRECTORY: &str = "SEALDB_TEST_SOFTHSM";

/// `None` if the module is not installed, which CI does not accept.
fn module() -> Option<PathBuf> {
    let found = PLACES.iter().map(PathBuf::from).find(|path| path.exists());
    if found.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "no SoftHSM2: scripts/test installs it"
        );
        println!("NOT RUN: SoftHSM2 is missing; scripts/test installs it");
    }
    found
}

/// Runs an ignored test of this file with a SoftHSM of its own.
fn in_its_own_process(test: &str) {
    if module().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("tokens")).unwrap();
    let configuration = dir.path().join("softhsm2.conf");
    let tokens = format!("directories.tokendir = {}/tokens\n", dir.path().display());
    std::fs::write(&configuration, tokens).unwrap();
    let set = [
        ("SOFTHSM2_CONF", configuration.as_os_str()),
        (DIRECTORY, dir.path().as_os_str()),
    ];
    process::run(test, &set);
}

struct OfPkcs11 {
    module: Module,
    pin_file: PathBuf,
    kms: Arc<Pkcs11>,
}

impl OfPkcs11 {
    fn start() -> Self {
        let dir = PathBuf::from(std::env::var_os(DIRECTORY).unwrap());
        let library = module().unwrap();
        initialise(&library);
        let pin_file = dir.join("pin");
        std::fs::write(&pin_file, format!("{PIN}\n")).unwrap();
        let settings = Pkcs11Settings {
            token: TOKEN.to_owned(),
            module: library.clone(),
            pin_file: pin_file.clone(),
        };
        let kms = Arc::new(Pkcs11::new(settings).unwrap());
        let subject = Self {
            // The provider has started the module for the whole process.
            module: Module::new(library).unwrap(),
            pin_file,
            kms,
        };
        for label in ["one", "two"] {
            subject.make(label, false);
        }
        subject
    }

    fn session(&self) -> Session {
        let slots = self.module.get_slots_with_initialized_token().unwrap();
        let session = self.module.open_rw_session(slots[0]).unwrap();
        // Another session may have logged the process in.
        let _ = session.login(UserType::User, Some(&AuthPin::new(PIN.to_owned())));
        session
    }

    fn make(&self, label: &str, extractable: bool) {
        let template = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::ValueLen(32.into()),
            Attribute::Label(label.into()),
            Attribute::Encrypt(true),
            Attribute::Decrypt(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(extractable),
        ];
        let session = self.session();
        session
            .generate_key(&Mechanism::AesKeyGen, &template)
            .unwrap();
    }

    fn find(session: &Session, label: &str) -> ObjectHandle {
        let found = session.find_objects(&[Attribute::Label(label.into())]);
        found.unwrap()[0]
    }
}

/// Makes a token, and lets go of the module again, which the provider starts.
fn initialise(library: &Path) {
    let module = Module::new(library).unwrap();
    module.initialize(CInitializeArgs::OsThreads).unwrap();
    let slot = module.get_all_slots().unwrap()[0];
    let officer = AuthPin::new("5678".to_owned());
    module.init_token(slot, &officer, TOKEN).unwrap();
    let slot = module.get_slots_with_initialized_token().unwrap()[0];
    let session = module.open_rw_session(slot).unwrap();
    session.login(UserType::So, Some(&officer)).unwrap();
    session.init_pin(&AuthPin::new(PIN.to_owned())).unwrap();
}

fn key(label: &str) -> KeyRef {
    format!("pkcs11:token=of%20the%20tests;object={label}")
        .parse()
        .unwrap()
}

impl Subject for OfPkcs11 {
    fn kms(&self) -> Arc<dyn Kms> {
        self.kms.clone()
    }

    fn name(&self) -> &'static str {
        "pkcs11"
    }

    fn family(&self) -> Family {
        Family::Pkcs11 {
            token: TOKEN.to_owned(),
        }
    }

    fn keys(&self) -> [KeyRef; 2] {
        ["one", "two"].map(key)
    }

    fn missing(&self) -> KeyRef {
        key("none")
    }

    fn allow(&self, allowed: bool) {
        let session = self.session();
        let one = Self::find(&session, "one");
        let change = [Attribute::Encrypt(allowed), Attribute::Decrypt(allowed)];
        session.update_attributes(one, &change).unwrap();
    }

    fn refusal(&self) -> DenyReason {
        DenyReason::Disabled
    }

    /// Without the PIN nobody gets to the token.
    fn reach(&self, reachable: bool) {
        match reachable {
            true => std::fs::write(&self.pin_file, PIN).unwrap(),
            false => std::fs::remove_file(&self.pin_file).unwrap(),
        }
    }
}

#[test]
fn a_token_conforms() {
    in_its_own_process("pkcs11::conforms_in_its_own_process");
}

#[test]
#[ignore = "run by a_token_conforms, with its environment"]
fn conforms_in_its_own_process() {
    conforms(&OfPkcs11::start());
}

#[test]
fn a_key_that_can_leave_its_token_wraps_nothing() {
    in_its_own_process("pkcs11::refuses_in_its_own_process");
}

#[test]
#[ignore = "run by a_key_that_can_leave_its_token_wraps_nothing, with its environment"]
fn refuses_in_its_own_process() {
    let subject = OfPkcs11::start();
    subject.make("loose", true);
    let (caller, context) = (Caller::new("test"), EncryptionContext::new());
    let made = subject
        .kms
        .generate_data_key(&caller, &key("loose"), &context);
    let error = made.map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("CKA_EXTRACTABLE"), "{error}");
    subject.make("twice", false);
    subject.make("twice", false);
    let error = subject
        .kms
        .describe_key(&caller, &key("twice"))
        .unwrap_err();
    assert!(matches!(error, KmsError::InvalidRequest(_)), "{error}");
}

#[test]
fn a_wrong_pin_is_tried_once() {
    in_its_own_process("pkcs11::pins_in_their_own_process");
}

#[test]
#[ignore = "run by a_wrong_pin_is_tried_once, with its environment"]
fn pins_in_their_own_process() {
    let subject = OfPkcs11::start();
    let describe = || subject.kms.describe_key(&Caller::new("test"), &key("one"));
    std::fs::write(&subject.pin_file, "4321").unwrap();
    for _ in 0..20 {
        assert_eq!(describe().unwrap_err().code(), "AccessDeniedException");
    }
    // A token that had seen it twenty times would be locked.
    std::fs::write(&subject.pin_file, PIN).unwrap();
    describe().unwrap();
}
