//! `sealdb endpoint`: how to reach the server, and lines to paste for grpcurl.

use sealdb_proto::endpoint::EndpointFile;
use serde_json::json;

use crate::args::{EndpointArgs, Global};
use crate::connect;
use crate::error::CliError;
use crate::output::Output;

pub(crate) fn run(global: &Global, args: &EndpointArgs, output: Output) -> Result<(), CliError> {
    let file = EndpointFile::read(&connect::endpoint_file(global)?)?;
    let secret = if args.show_secret {
        file.secret_access_key.expose().to_owned()
    } else {
        "$SEALDB_SECRET".to_owned()
    };
    if output.json {
        let mut value = json!({
            "address": file.address,
            "access_key_id": file.access_key_id,
            "certificate_pin": file.certificate_pin,
            "server_version": file.server_version,
            "pid": file.pid,
        });
        if let (true, Some(object)) = (args.show_secret, value.as_object_mut()) {
            object.insert("secret_access_key".to_owned(), json!(secret));
        }
        return output.value(&value);
    }
    let (address, id) = (&file.address, &file.access_key_id);
    let lines = [
        format!("address          {address}"),
        format!("access key id    {id}"),
        format!("certificate pin  {}", file.certificate_pin),
        format!("server           version {}, process {}", file.server_version, file.pid),
        String::new(),
        "# grpcurl knows no pins: it is told to trust any certificate, so use these lines on loopback only".to_owned(),
        format!("grpcurl -insecure -H \"authorization: Bearer {id}:{secret}\" {address} list sealdb.v1.SealDb"),
        format!("grpcurl -insecure -H \"authorization: Bearer {id}:{secret}\" {address} describe sealdb.v1.PutItemRequest"),
        format!("grpcurl -insecure -H \"authorization: Bearer {id}:{secret}\" -d '{{}}' {address} sealdb.v1.SealDb/ListTables"),
        format!("grpcurl -insecure -H \"authorization: Bearer {id}:{secret}\" {address} grpc.health.v1.Health/Check"),
    ];
    crate::output::print(&lines.join("\n"))?;
    if !args.show_secret {
        output.remark("\nThe secret is not shown: set SEALDB_SECRET, or add --show-secret.")?;
    }
    Ok(())
}
