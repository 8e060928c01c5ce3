//! The bytes of a key's policy, as the table in `format.rs` has them.

use uuid::Uuid;

use crate::policy::{Grant, KeyOperation, KeyPolicy};
use crate::wire::{Put, Reader, WireError};

/// How many bytes [`put`] writes.
pub(super) fn len(policy: &KeyPolicy) -> usize {
    let grants = policy.grants.iter().map(|grant| {
        16 + 4 + grant.account.len() + 4 + grant.grantee.len() + 1 + list_len(&grant.tables)
    });
    let lists = [&policy.administrators, &policy.users, &policy.tables];
    let lists = lists.into_iter().map(|list| list_len(list)).sum::<usize>();
    4 + policy.account.len() + lists + 4 + grants.sum::<usize>()
}

pub(super) fn put(out: &mut Vec<u8>, policy: &KeyPolicy) {
    out.put_bytes(policy.account.as_bytes());
    put_list(out, &policy.administrators);
    put_list(out, &policy.users);
    put_list(out, &policy.tables);
    put_count(out, policy.grants.len());
    for grant in &policy.grants {
        out.extend_from_slice(grant.id.as_bytes());
        out.put_bytes(grant.account.as_bytes());
        out.put_bytes(grant.grantee.as_bytes());
        let bits = grant
            .operations
            .iter()
            .fold(0, |bits, one| bits | bit(*one));
        out.put_u8(bits);
        put_list(out, &grant.tables);
    }
}

pub(super) fn read(reader: &mut Reader<'_>) -> Result<KeyPolicy, WireError> {
    Ok(KeyPolicy {
        account: reader.string()?,
        administrators: read_list(reader)?,
        users: read_list(reader)?,
        tables: read_list(reader)?,
        grants: (0..reader.u32()?)
            .map(|_| read_grant(reader))
            .collect::<Result<_, _>>()?,
    })
}

fn read_grant(reader: &mut Reader<'_>) -> Result<Grant, WireError> {
    let id = Uuid::from_bytes(reader.array()?);
    let (account, grantee) = (reader.string()?, reader.string()?);
    let bits = reader.u8()?;
    if !(1..=3).contains(&bits) {
        return Err(WireError("unknown operations of a grant"));
    }
    let grantable = KeyOperation::GRANTABLE.into_iter();
    Ok(Grant {
        id,
        account,
        grantee,
        operations: grantable.filter(|one| bits & bit(*one) != 0).collect(),
        tables: read_list(reader)?,
    })
}

/// Only what a grant can name has one.
fn bit(operation: KeyOperation) -> u8 {
    match operation {
        KeyOperation::Decrypt => 1,
        KeyOperation::GenerateDataKey => 2,
        KeyOperation::Administer => 0,
    }
}

fn list_len(list: &[String]) -> usize {
    4 + list.iter().map(|text| 4 + text.len()).sum::<usize>()
}

fn put_list(out: &mut Vec<u8>, list: &[String]) {
    put_count(out, list.len());
    for text in list {
        out.put_bytes(text.as_bytes());
    }
}

fn read_list(reader: &mut Reader<'_>) -> Result<Vec<String>, WireError> {
    (0..reader.u32()?).map(|_| reader.string()).collect()
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    out.put_u32(u32::try_from(count).expect("lists of a keyring are counted in 32 bits"));
}
