"""Signing and checking the heads of audit chains (Ed25519): a verifier needs the public key only."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key


class Signer:
    """Signs heads."""

    def __init__(self, secret: bytes) -> None:
        """`secret` is 32 random bytes: the private key itself."""
        self._key = Ed25519PrivateKey.from_private_bytes(secret)

    def sign(self, chain: str, seq: int, digest: bytes) -> bytes:
        """The signature over one head."""
        return self._key.sign(_message(chain, seq, digest))

    @property
    def public_pem(self) -> str:
        """What a verifier needs, as PEM text."""
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


class Checker:
    """Checks signed heads against one public key."""

    def __init__(self, public_pem: str) -> None:
        """`public_pem` comes from `Signer.public_pem`."""
        key = load_pem_public_key(public_pem.encode())
        if not isinstance(key, Ed25519PublicKey):
            raise TypeError("an audit public key must be an Ed25519 public key")
        self._key = key

    def fits(self, chain: str, seq: int, digest: bytes, signature: bytes) -> bool:
        """Whether the holder of the private key signed exactly this head."""
        try:
            self._key.verify(signature, _message(chain, seq, digest))
        except InvalidSignature:
            return False
        return True


def _message(chain: str, seq: int, digest: bytes) -> bytes:
    return f"cityhub audit head\n{chain}\n{seq}\n{digest.hex()}\n".encode()
