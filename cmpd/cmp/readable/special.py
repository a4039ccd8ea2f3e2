"""Types that have a shorter form than their members."""

from __future__ import annotations

import hashlib
import ipaddress
from typing import Any

from cryptography import x509

from cmpd.clm.pkix.algorithms.rsa import OID as RSA_ENCRYPTION
from cmpd.clm.pkix.attributes import short_name
from cmpd.cmp.readable import inside
from cmpd.cmp.readable.item import Item
from cmpd.cmp.readable.walk import Form, Walk
from cmpd.cmp.wire import oids, schema
from cmpd.cmp.wire.schema import DecodeError
from cmpd.printable import printable

NULL = b"\x05\x00"


def _name(walk: Walk, label: str, value: Any, der: bytes) -> Item:
    return Item(label, name_text(value))


def name_text(name: tuple[str, list[list[dict[str, Any]]]]) -> str:
    """A Name in the order in which it is encoded."""
    return ", ".join("+".join(map(_attribute_text, rdn)) for rdn in name[1]) or "NULL-DN"


def _attribute_text(attribute: dict[str, Any]) -> str:
    label = short_name(x509.ObjectIdentifier(attribute["type"]))
    try:
        text = printable(schema.decode("DirectoryText", attribute["value"])[1])
    except DecodeError:
        return f"{label}=#{attribute['value'].hex()}"
    return f"{label}={text}"


def _general_name(walk: Walk, label: str, value: tuple[str, Any], der: bytes) -> Item:
    kind, content = value
    match kind:
        case "directoryName" if isinstance(content, bytes):
            return walk.encoded(label, "Name", content)
        case "directoryName":
            return Item(label, name_text(content))
        case "iPAddress":
            return Item(label, f"{kind} {_address(content)}")
        case "rfc822Name" | "dNSName" | "uniformResourceIdentifier":
            return Item(label, f"{kind} {printable(content)}")
        case "registeredID":
            return Item(label, f"{kind} {oids.name(content)}")
        case "otherName" if isinstance(content, dict):
            return Item(label, f"{kind} {oids.name(content['type-id'])} {walk.octets_of(content['value'])}")
    return Item(label, kind)


def _address(octets: bytes) -> str:
    try:
        return str(ipaddress.ip_address(octets))
    except ValueError:
        return octets.hex()


def _algorithm(walk: Walk, label: str, value: dict[str, Any], der: bytes) -> Item:
    oid, parameters = value["algorithm"], value.get("parameters", NULL)
    item = Item(label, oids.name(oid))
    if parameters == NULL:
        return item
    if oid not in inside.PARAMETERS:
        item.parts.append(Item("parameters", walk.octets_of(parameters)))
        return item
    inner = walk.encoded("parameters", inside.PARAMETERS[oid], parameters)
    if inner.text:
        item.text += f", {inner.text}"
    item.parts += inner.parts
    return item


def _public_key(walk: Walk, label: str, value: dict[str, Any], der: bytes) -> Item:
    encoded = der or schema.encode("SubjectPublicKeyInfo", value)
    algorithm = value["algorithm"]
    kind = walk.named("", "AlgorithmIdentifier", algorithm)
    size = _rsa_size(value["subjectPublicKey"][0]) if algorithm["algorithm"] == RSA_ENCRYPTION else ""
    return Item(label, f"{kind.text}{size}, SHA-256 {hashlib.sha256(encoded).hexdigest()}")


def _raw_public_key(walk: Walk, label: str, value: dict[str, Any], der: bytes) -> Item:
    return walk.encoded(label, "SubjectPublicKeyInfo", schema.encode("RawSubjectPublicKeyInfo", value))


def _rsa_size(der: bytes) -> str:
    try:
        return f", {schema.decode('RSAPublicKey', der)['modulus'].bit_length()} bits"
    except DecodeError:
        return ", not readable"


def _open(walk: Walk, oid: str, value: bytes | None) -> Item:
    """infoType and infoValue, and whatever else is a type and a value."""
    label = oids.name(oid)
    if value is None:
        return Item(label, "no value")
    if oid in inside.VALUES:
        return walk.encoded(label, inside.VALUES[oid], value)
    return Item(label, walk.octets_of(value))


def _information(walk: Walk, label: str, value: dict[str, Any], der: bytes) -> Item:
    return _open(walk, value["infoType"], value.get("infoValue"))


def _control(walk: Walk, label: str, value: dict[str, Any], der: bytes) -> Item:
    return _open(walk, value["type"], value["value"])


def _attribute(walk: Walk, label: str, value: dict[str, Any], der: bytes) -> Item:
    items = [_open(walk, value["type"], each) for each in value["values"]]
    return items[0] if len(items) == 1 else Item(oids.name(value["type"]), parts=items)


def _extension(walk: Walk, label: str, value: dict[str, Any], der: bytes) -> Item:
    oid = value["extnID"]
    name = oids.name(oid) + (" (critical)" if value["critical"] else "")
    if oid in inside.EXTENSIONS:
        return walk.encoded(name, inside.EXTENSIONS[oid], value["extnValue"])
    return Item(name, walk.octets_of(value["extnValue"]))


def _time(walk: Walk, label: str, value: tuple[str, Any], der: bytes) -> Item:
    return Item(label, f"{value[1].isoformat()}Z")


def _certificate(walk: Walk, label: str, value: dict[str, Any], der: bytes) -> Item:
    inner = value["tbsCertificate"]
    validity = inner["validity"]
    encoded = der or schema.encode("Certificate", value)
    times = " to ".join(f"{validity[each][1].isoformat()}Z" for each in ("notBefore", "notAfter"))
    parts = [
        Item("issuer", name_text(inner["issuer"])),
        Item("serialNumber", f"0x{inner['serialNumber']:x}"),
        Item("validity", times),
        walk.named("subjectPublicKeyInfo", "SubjectPublicKeyInfo", inner["subjectPublicKeyInfo"]),
        *(walk.named("", "Extension", each) for each in inner.get("extensions", ())),
        walk.named("signatureAlgorithm", "AlgorithmIdentifier", value["signatureAlgorithm"]),
        Item("SHA-256", hashlib.sha256(encoded).hexdigest()),
    ]
    return Item(label, name_text(inner["subject"]), parts)


def _crl(walk: Walk, label: str, value: dict[str, Any], der: bytes) -> Item:
    inner = value["tbsCertList"]
    parts = [walk.named("thisUpdate", "Time", inner["thisUpdate"])]
    if "nextUpdate" in inner:
        parts.append(walk.named("nextUpdate", "Time", inner["nextUpdate"]))
    parts.append(Item("revokedCertificates", str(len(inner.get("revokedCertificates", ())))))
    parts += [walk.named("", "Extension", each) for each in inner.get("crlExtensions", ())]
    parts.append(walk.named("signatureAlgorithm", "AlgorithmIdentifier", value["signatureAlgorithm"]))
    return Item(label, name_text(inner["issuer"]), parts)


FORMS: dict[str, Form] = {
    "Name": _name,
    "GeneralName": _general_name,
    "RawGeneralName": _general_name,
    "AlgorithmIdentifier": _algorithm,
    "SubjectPublicKeyInfo": _public_key,
    "RawSubjectPublicKeyInfo": _raw_public_key,
    "InfoTypeAndValue": _information,
    "RawInfoTypeAndValue": _information,
    "AttributeTypeAndValue": _control,
    "RawAttributeTypeAndValue": _control,
    "Attribute": _attribute,
    "RawAttribute": _attribute,
    "RawSignedAttribute": _attribute,
    "Extension": _extension,
    "Time": _time,
    "RawTime": _time,
    "Certificate": _certificate,
    "CertificateList": _crl,
}
"""Type → its form."""
