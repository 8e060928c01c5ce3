"""Makes blocks-v1.txt: sealed blocks of format 1, written from the tables in block.rs and epoch.rs by other hands.

Python's `cryptography` does the AEAD, hmac the derivation. Run only to add lines; lines that stand are a released format.
"""
import hashlib
import hmac
import struct

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY, GENERATION = bytes(range(32)), 7
DATABASE, TABLE, SEGMENT, SEQUENCE = b"D" * 16, b"T" * 16, b"S" * 16, 0x0102030405060708
SALT = b"salt salt salt 1"
PAGES, LOG, ROOT, AUDIT = 1, 2, 3, 4

# name, purpose, tree, kind, has a place, text
BLOCKS = [
    ("leaf", PAGES, 0, 1, False, b"a leaf"),
    ("inner-of-tree-9", PAGES, 9, 2, False, b"an inner page"),
    ("value", PAGES, 0, 3, False, b"v" * 100),
    ("frame", LOG, 0, 4, True, b"a frame"),
    ("part", LOG, 0, 5, True, b"a part"),
    ("root", ROOT, 0, 6, False, b"a root"),
    ("free-map", ROOT, 0, 7, False, b""),
    ("audit", AUDIT, 0, 8, True, b"an event"),
]


def seal(purpose, tree, kind, placed, text):
    info = b"sealdb block epoch v1" + bytes([1, purpose]) + struct.pack(">I", tree)
    prk = hmac.new(SALT, KEY, hashlib.sha256).digest()
    key = hmac.new(prk, info + b"\x01", hashlib.sha256).digest()
    head = bytes([0xDB, 1, 1, kind]) + struct.pack(">I", GENERATION) + SALT
    aad = head + DATABASE + TABLE + struct.pack(">I", tree) + bytes([kind])
    nonce = b"nonce nonce" + bytes([kind])
    if placed:
        aad += SEGMENT + struct.pack(">Q", SEQUENCE)
    return head + nonce + AESGCM(key).encrypt(nonce, text, aad)


if __name__ == "__main__":
    for name, purpose, tree, kind, placed, text in BLOCKS:
        print(name, seal(purpose, tree, kind, placed, text).hex(), text.hex() or "-")
