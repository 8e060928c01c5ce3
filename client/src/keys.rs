//! Administration of tables' keys: what `sealdb.v1.KeyAdmin` offers, in its own messages.

use sealdb_proto::v1;

use crate::client::Client;
use crate::error::Error;

macro_rules! operations {
    ($($(#[$doc:meta])* $method:ident, $path:literal, $request:ident -> $response:ident, $harmless:literal;)*) => {
        impl Client {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// Those of the operation, and those of the way to the server: see [`Error::code`].
                pub async fn $method(&self, request: v1::$request) -> Result<v1::$response, Error> {
                    let path = concat!("/sealdb.v1.KeyAdmin/", $path);
                    self.caller().call(path, request, $harmless).await
                }
            )*
        }
    };
}

operations! {
    /// Puts tables under another KMS key, or under the newest version of the one that each has.
    rewrap_keys, "RewrapKeys", RewrapKeysRequest -> RewrapKeysResponse, true;
    /// Gives tables new keys of their own; what is left of the old ones is sealed anew in the background.
    rekey_tables, "RekeyTables", RekeyTablesRequest -> RekeyTablesResponse, false;
    /// How far the rekeys that go on have come.
    list_rekeys, "ListRekeys", ListRekeysRequest -> ListRekeysResponse, true;
    /// Lets a rekey rest, over restarts too.
    pause_rekey, "PauseRekey", PauseRekeyRequest -> PauseRekeyResponse, true;
    /// Goes on with a rekey.
    resume_rekey, "ResumeRekey", ResumeRekeyRequest -> ResumeRekeyResponse, true;
    /// What the last rekey of a table that ended has proved.
    get_rekey_proof, "GetRekeyProof", GetRekeyProofRequest -> GetRekeyProofResponse, true;
    /// What stops if a KMS key goes.
    describe_key_impact, "DescribeKeyImpact", DescribeKeyImpactRequest -> DescribeKeyImpactResponse, true;
}
