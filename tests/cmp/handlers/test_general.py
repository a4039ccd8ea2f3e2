"""genm and genp: what a client may ask, and who may (RFC 9483, section 4.3; RFC 9810, section 5.3.19)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cmpd.clm.model import ObjectKind, StoredCRL
from cmpd.clm.store.changes import PutCRL
from cmpd.cmp.information import TYPES
from cmpd.cmp.wire import schema
from tests import cmpclient
from tests.cmp.conftest import MakeWorld
from tests.cmp.world import MACHINE, PBM, SECOND_POLICY, URL, World
from tests.cmpclient.requests import general_message

ID_IT = "1.3.6.1.5.5.7.4."
CA_CERTS, ROOT_CA_CERT, ROOT_CA_KEY_UPDATE = ID_IT + "17", ID_IT + "20", ID_IT + "18"
CERT_REQ_TEMPLATE, CRL_STATUS_LIST, CRLS = ID_IT + "19", ID_IT + "22", ID_IT + "23"
SIGN_KEY_PAIR_TYPES, ENC_KEY_PAIR_TYPES, PREFERRED_SYMM_ALG = ID_IT + "2", ID_IT + "3", ID_IT + "4"
CA_KEY_UPDATE_INFO, CURRENT_CRL, UNSUPPORTED_OIDS = ID_IT + "5", ID_IT + "6", ID_IT + "7"
SUPP_LANG_TAGS = ID_IT + "16"
CERT_PROFILE = ID_IT + "21"
RSA, EC = "1.2.840.113549.1.1.1", "1.2.840.10045.2.1"


def value(response: cmpclient.Response, oid: str) -> bytes:
    """The infoValue of the only answer, which has that infoType."""
    assert response.kind == "genp"
    assert list(response.informations) == [oid]
    found = response.informations[oid]
    assert found is not None
    return found


def is_absent(response: cmpclient.Response, oid: str) -> bool:
    return response.kind == "genp" and response.informations == {oid: None}


def put_crl(world: World, this_update: int, partition: int = 0) -> bytes:
    """A CRL of the issuing CA, for the store; its octets are not looked at."""
    der = schema.encode("RawName", [b"\5\0"] * partition)
    crl = StoredCRL(world.ca("issuing").id, partition, this_update, der, this_update, this_update + 1000)
    world.run(world.store.commit((PutCRL(crl),)))
    return der


@pytest.mark.parametrize("signs", [False, True], ids=["MAC", "signature"])
def test_cacerts_are_the_issuing_cas_without_the_root(world: World, signs: bool) -> None:
    protection = world.device() if signs else PBM
    der = value(world.client(protection).ask(CA_CERTS), CA_CERTS)
    certificates = [x509.load_der_x509_certificate(one) for one in schema.decode("RawCertificates", der)]
    assert certificates == [world.authority]


def test_a_genm_leaves_nothing_behind_and_may_be_sent_again(world: World) -> None:
    transaction = world.client().begin()
    request = transaction.compose(general_message(CA_CERTS))
    for _ in range(2):
        assert transaction.send_as_is(request).kind == "genp"
    assert world.run(world.store.transaction(transaction.transaction_id)) is None


def test_key_types_are_those_the_policy_certifies(make_world: MakeWorld) -> None:
    world = make_world({"keys": {"algorithms": ["P-256", "RSA", "Ed25519"]}})
    signing = schema.decode(
        "SignKeyPairTypesValue", value(world.client().ask(SIGN_KEY_PAIR_TYPES), SIGN_KEY_PAIR_TYPES)
    )
    encrypting = schema.decode(
        "EncKeyPairTypesValue", value(world.client().ask(ENC_KEY_PAIR_TYPES), ENC_KEY_PAIR_TYPES)
    )
    assert [one["algorithm"] for one in signing] == [EC, RSA, "1.3.101.112"]
    assert [one["algorithm"] for one in encrypting] == [EC, RSA]
    assert schema.decode("RawNamedCurve", signing[0]["parameters"]) == "1.2.840.10045.3.1.7"


def test_no_encryption_key_types_are_an_absent_value(make_world: MakeWorld) -> None:
    world = make_world({"keys": {"algorithms": ["Ed25519"]}})
    assert is_absent(world.client().ask(ENC_KEY_PAIR_TYPES), ENC_KEY_PAIR_TYPES)


def test_the_preferred_symmetric_algorithm_is_aes_256_cbc(world: World) -> None:
    der = value(world.client().ask(PREFERRED_SYMM_ALG), PREFERRED_SYMM_ALG)
    assert schema.decode("AlgorithmIdentifier", der)["algorithm"] == "2.16.840.1.101.3.4.1.42"


@pytest.mark.parametrize(("asked", "told"), [(EC, EC), (RSA, RSA), ("1.2.840.10040.4.1", None)])
def test_key_pair_parameters_are_those_of_an_algorithm_that_is_certified(
    world: World, asked: str, told: str | None
) -> None:
    response = world.client().ask((ID_IT + "10", schema.encode("RawNamedCurve", asked)))
    if told is None:
        assert is_absent(response, ID_IT + "11")
    else:
        identifier = schema.decode("AlgorithmIdentifier", value(response, ID_IT + "11"))
        assert identifier["algorithm"] == told


@pytest.mark.parametrize(
    ("offered", "chosen"), [(["en"], "en"), (["de", "en-GB", "en"], "en-GB"), (["EN-us"], "EN-us")]
)
def test_the_first_language_that_is_spoken_is_chosen(world: World, offered: list[str], chosen: str) -> None:
    der = schema.encode("SuppLangTagsValue", offered)
    answer = value(world.client().ask((SUPP_LANG_TAGS, der)), SUPP_LANG_TAGS)
    assert schema.decode("SuppLangTagsValue", answer) == [chosen]


def test_languages_of_which_none_is_spoken_are_an_error(world: World) -> None:
    response = world.client().ask((SUPP_LANG_TAGS, schema.encode("SuppLangTagsValue", ["de", "fr"])))
    assert response.fail_info == ("badRequest",)
    assert "language" in response.text


def test_unknown_infotypes_come_back_as_unsupported_behind_the_answers(world: World) -> None:
    response = world.client().ask("1.2.3.4", CA_CERTS, "1.2.3.5")
    assert list(response.informations) == [CA_CERTS, UNSUPPORTED_OIDS]
    der = response.informations[UNSUPPORTED_OIDS]
    assert der is not None
    assert schema.decode("UnsupportedOIDsValue", der) == ["1.2.3.4", "1.2.3.5"]


def test_an_empty_genm_asks_for_all_that_is_relevant(world: World) -> None:
    response = world.client().ask()
    assert list(response.informations) == [
        SIGN_KEY_PAIR_TYPES,
        ENC_KEY_PAIR_TYPES,
        PREFERRED_SYMM_ALG,
        ROOT_CA_KEY_UPDATE,
        CURRENT_CRL,
    ]


# Certificate request templates


def template_of(response: cmpclient.Response) -> dict[str, Any]:
    found: dict[str, Any] = schema.decode("RawCertReqTemplateContent", value(response, CERT_REQ_TEMPLATE))
    return found


def key_spec(template: dict[str, Any]) -> list[tuple[str, Any]]:
    """("RSA", length) or (algorithm, curve's OID or None) of each control."""
    found: list[tuple[str, Any]] = []
    for control in template["keySpec"]:
        if control["type"] == "1.3.6.1.5.5.7.5.1.12":
            found.append(("RSA", schema.decode("RsaKeyLenCtrl", control["value"])))
        else:
            assert control["type"] == "1.3.6.1.5.5.7.5.1.11"
            identifier = schema.decode("AlgorithmIdentifier", control["value"])
            curve = identifier.get("parameters")
            found.append((identifier["algorithm"], curve and schema.decode("RawNamedCurve", curve)))
    return found


def test_the_request_template_names_keys_and_extensions_and_no_public_key(make_world: MakeWorld) -> None:
    world = make_world({"keys": {"algorithms": ["RSA", "P-384", "Ed25519"], "rsa_min": 3072}})
    template = template_of(world.client().ask(CERT_REQ_TEMPLATE))
    assert key_spec(template) == [
        ("RSA", 3072),
        ("RSA", 4096),
        (EC, "1.3.132.0.34"),
        ("1.3.101.112", None),
    ]
    assert "publicKey" not in template["certTemplate"]
    extensions = {schema.decode("Extension", der)["extnID"] for der in template["certTemplate"]["extensions"]}
    assert "2.5.29.15" in extensions


def test_the_request_template_fills_in_the_subject_as_far_as_it_is_known(make_world: MakeWorld) -> None:
    world = make_world()
    subject = ["O=Example", "CN={entity.name}", "serialNumber={request.serialNumber}"]
    world.put(ObjectKind.TEMPLATE, "named", "named", {"subject": subject})
    world.change_policy(template="named")
    composed = template_of(world.client().ask(CERT_REQ_TEMPLATE))["certTemplate"]["subject"]
    rdns = [rdn[0] for rdn in schema.decode("RDNSequence", composed)]
    values = [schema.decode("DirectoryString", rdn["value"])[1] for rdn in rdns]
    assert [rdn["type"] for rdn in rdns] == ["2.5.4.10", "2.5.4.3", "2.5.4.5"]
    assert values == ["Example", "demo", ""]


def test_the_request_template_may_be_another_profiles(world: World) -> None:
    profile = schema.encode("CertProfileValue", ["second"])
    world.put(
        ObjectKind.POLICY,
        SECOND_POLICY,
        "second",
        {"ca": "issuing", "template": "device", "keys": {"algorithms": ["Ed448"]}},
    )
    client = world.client(general_info={CERT_PROFILE: profile})
    assert key_spec(template_of(client.ask(CERT_REQ_TEMPLATE))) == [("1.3.101.113", None)]


# CRLs


def test_a_crl_that_is_not_there_yet_is_made_when_it_is_asked_for(make_world: MakeWorld) -> None:
    world = make_world()
    der = value(world.client().ask(CURRENT_CRL), CURRENT_CRL)
    assert x509.load_der_x509_crl(der).issuer == world.authority.subject
    listed = value(world.client().ask((CRL_STATUS_LIST, sources(issuer(world)))), CRLS)
    assert schema.decode("RawCertificates", listed) == [der]


def test_of_a_ca_that_has_ended_no_crl_is_made_and_the_values_are_absent(make_world: MakeWorld) -> None:
    world = make_world(unprotected_genm=True)
    world.now += 11 * 365 * 86400
    assert is_absent(world.client(None).ask(CURRENT_CRL), CURRENT_CRL)


Source = tuple[str, Any]


def issuer(world: World) -> Source:
    return ("issuer", [("directoryName", world.authority.subject.public_bytes())])


def point(url: str) -> Source:
    return ("dpn", ("fullName", [("uniformResourceIdentifier", url)]))


def sources(source: Source, this_update: int | None = None) -> bytes:
    """DER of a crlStatusList of one source."""
    status: dict[str, Any] = {"source": source}
    if this_update is not None:
        status["thisUpdate"] = ("generalTime", datetime.fromtimestamp(this_update, UTC))
    return schema.encode("RawCRLStatusList", [status])


def test_crls_are_told_where_they_are_newer_than_the_clients(make_world: MakeWorld) -> None:
    world = make_world()
    der = put_crl(world, world.now)
    client = world.client()
    assert value(client.ask(CURRENT_CRL), CURRENT_CRL) == der
    rows = [
        (issuer(world), None, True),
        (issuer(world), world.now - 1, True),
        (issuer(world), world.now, False),
        (point(f"{URL}/crl/issuing.crl"), None, True),
        (point(f"{URL}/crl/issuing.crl"), world.now + 1, False),
        (point("http://elsewhere.example/crl"), None, False),
        (("issuer", [("directoryName", schema.encode("RawName", []))]), None, False),
        (("dpn", ("nameRelativeToCRLIssuer", [])), None, False),
    ]
    for source, since, told in rows:
        response = client.ask((CRL_STATUS_LIST, sources(source, since)))
        if told:
            assert schema.decode("RawCertificates", value(response, CRLS)) == [der], source
        else:
            assert is_absent(response, CRLS), source


def test_of_a_ca_with_several_crls_a_point_means_one_and_the_issuer_all(make_world: MakeWorld) -> None:
    world = make_world()
    world.roll_over("issuing", "root", crl_partitions=3)
    ders = [put_crl(world, world.now + partition, partition) for partition in range(3)]
    client = world.client()
    assert is_absent(client.ask(CURRENT_CRL), CURRENT_CRL)
    rows = [
        (point(f"{URL}/crl/issuing-2/1.crl"), None, [1]),
        (point(f"{URL}/crl/issuing/2.crl"), world.now + 1, [2]),
        (point(f"{URL}/crl/issuing-2/1.crl"), world.now + 1, []),
        (point(f"{URL}/crl/issuing-2/3.crl"), None, []),
        (point(f"{URL}/crl/issuing-2.crl"), None, []),
        (("issuer", [("directoryName", world.ca("issuing").subject_der)]), None, [0, 1, 2]),
        (("issuer", [("directoryName", world.ca("issuing").subject_der)]), world.now, [1, 2]),
    ]
    for source, since, told in rows:
        response = client.ask((CRL_STATUS_LIST, sources(source, since)))
        if told:
            found = schema.decode("RawCertificates", value(response, CRLS))
            # By the issuer's name, the CRL of its old key is meant as well.
            assert [der for der in found if der in ders] == [ders[partition] for partition in told], source
        else:
            assert is_absent(response, CRLS), source


# Who may ask


@pytest.mark.parametrize("oid", sorted(oid for oid, kind in TYPES.items() if kind.public))
def test_public_data_may_be_asked_for_without_protection_where_configured(
    make_world: MakeWorld, oid: str
) -> None:
    world = make_world(unprotected_genm=True)
    asked: dict[str, bytes] = {
        SUPP_LANG_TAGS: schema.encode("SuppLangTagsValue", ["en"]),
        CRL_STATUS_LIST: sources(issuer(world)),
        ID_IT + "10": schema.encode("RawNamedCurve", EC),
    }
    question = (oid, asked[oid]) if oid in asked else oid
    response = world.client(None).ask(question)
    assert response.kind == "genp"
    response.verify_signature(world.authority)


def test_a_request_template_takes_protection_all_the_same(make_world: MakeWorld) -> None:
    response = make_world(unprotected_genm=True).client(None).ask(CERT_REQ_TEMPLATE)
    assert response.fail_info == ("badMessageCheck",)


def test_by_default_every_genm_takes_protection(world: World) -> None:
    response = world.client(None).ask(CA_CERTS)
    assert response.fail_info == ("badMessageCheck",)
    response.verify_signature(world.authority)


def test_half_a_protection_is_no_unprotected_message(make_world: MakeWorld) -> None:
    world = make_world(unprotected_genm=True)
    transaction = world.client().begin()
    response = transaction.send_as_is(
        transaction.compose(general_message(CA_CERTS), tamper=lambda bits: cmpclient.OMIT)
    )
    assert response.fail_info == ("badMessageCheck",)


@pytest.mark.parametrize(
    ("asked", "fail_info"),
    [
        pytest.param([CRL_STATUS_LIST], "badDataFormat", id="crlStatusList without value"),
        pytest.param([(CRL_STATUS_LIST, b"\x05\x00")], "badDataFormat", id="crlStatusList of rubbish"),
        pytest.param([(CRL_STATUS_LIST, b"\x30\x00")], "badRequest", id="crlStatusList of nothing"),
        pytest.param([(SUPP_LANG_TAGS, b"\x05\x00")], "badDataFormat", id="suppLangTags of rubbish"),
        pytest.param([SUPP_LANG_TAGS], "badDataFormat", id="suppLangTags without value"),
        pytest.param([ID_IT + "10"], "badDataFormat", id="keyPairParamReq without value"),
        pytest.param([CA_CERTS] * 17, "badRequest", id="too many questions"),
    ],
)
def test_questions_that_cannot_be_understood_are_errors(
    world: World, asked: list[Any], fail_info: str
) -> None:
    assert world.client().ask(*asked).fail_info == (fail_info,)


def test_a_root_without_successor_has_no_update(world: World) -> None:
    for question in (ROOT_CA_CERT, (ROOT_CA_CERT, world.ca("root").certificate_der)):
        assert is_absent(world.client().ask(question), ROOT_CA_KEY_UPDATE)
    assert is_absent(world.client().ask(CA_KEY_UPDATE_INFO), CA_KEY_UPDATE_INFO)


def update_of(response: cmpclient.Response) -> dict[str, x509.Certificate]:
    """A rootCaKeyUpdate's certificates by their names."""
    der = value(response, ROOT_CA_KEY_UPDATE)
    update = schema.decode("RawRootCaKeyUpdateContent", der)
    return {name: x509.load_der_x509_certificate(certificate) for name, certificate in update.items()}


def test_the_successor_of_a_root_is_told_with_the_links_between_them(make_world: MakeWorld) -> None:
    world = make_world()
    old = world.ca("root").certificate
    world.roll_over("root")
    new = world.ca("root").certificate
    client = world.client()
    der = old.public_bytes(Encoding.DER)
    for question in (ROOT_CA_CERT, ROOT_CA_KEY_UPDATE, (ROOT_CA_CERT, der)):
        update = update_of(client.ask(question))
        assert update["newWithNew"] == new
        assert update["newWithOld"].public_key() == new.public_key()
        update["newWithOld"].verify_directly_issued_by(old)
        assert update["oldWithNew"].public_key() == old.public_key()
        update["oldWithNew"].verify_directly_issued_by(new)
    announced = schema.decode(
        "RawCAKeyUpdAnnContent", value(client.ask(CA_KEY_UPDATE_INFO), CA_KEY_UPDATE_INFO)
    )
    assert announced["newWithNew"] == new.public_bytes(Encoding.DER)
    newest = (ROOT_CA_CERT, new.public_bytes(Encoding.DER))
    assert is_absent(client.ask(newest), ROOT_CA_KEY_UPDATE)


def test_a_root_two_changes_old_is_told_the_newest_without_links_that_do_not_lead_there(
    make_world: MakeWorld,
) -> None:
    world = make_world()
    first = world.ca("root").certificate_der
    world.roll_over("root")
    world.roll_over("root")
    update = update_of(world.client().ask((ROOT_CA_CERT, first)))
    assert update == {"newWithNew": world.ca("root").certificate}


def test_a_root_nobody_knows_here_has_no_update(world: World) -> None:
    assert is_absent(world.client().ask((ROOT_CA_CERT, MACHINE.der)), ROOT_CA_KEY_UPDATE)
    assert is_absent(world.client().ask((ROOT_CA_CERT, b"\x05\x00")), ROOT_CA_KEY_UPDATE)
