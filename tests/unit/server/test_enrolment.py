"""A site joins a consortium: invitation, answer, enrolment, and what is not believed on the way."""

import os
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_ssh_private_key, load_ssh_public_key

from protocols.core.errors import Code, InputError
from protocols.exchange.enrolment import Enrolment, Invitation
from protocols.exchange.keys import fingerprint
from server.actions.network import sites
from server.administration.enrolment import enrol, invite, make_center
from server.home.config import SETTINGS, load
from server.home.store import Store
from site_node.administration.enrolment import join
from site_node.administration.setup import make_site


@pytest.fixture
def center(tmp_path: Path) -> Path:
    make_center(tmp_path / "center", "Glioma", address="hub.example.org:443", port=9443)
    return tmp_path / "center"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    make_site(tmp_path / "oslo", "oslo")
    return tmp_path / "oslo"


@pytest.fixture
def invitation(center: Path, tmp_path: Path) -> Path:
    invite(center, "oslo").write(tmp_path / "oslo.invitation.json")
    return tmp_path / "oslo.invitation.json"


def test_a_site_that_was_invited_is_enrolled(
    center: Path, site: Path, invitation: Path, tmp_path: Path
) -> None:
    answer = join(site, invitation)
    answer.write(tmp_path / "answer.json")
    assert enrol(center, tmp_path / "answer.json") == answer
    assert [(one.name, one.is_enrolled) for one in sites(center).sites] == [("oslo", True)]
    kept = Invitation.read(site / "consortium.json")
    assert (kept.consortium, kept.address) == ("Glioma", "hub.example.org:443")


def test_joining_again_makes_no_new_keys(site: Path, invitation: Path) -> None:
    assert join(site, invitation) == join(site, invitation)


def test_private_keys_are_their_owners_alone(center: Path, site: Path, invitation: Path) -> None:
    join(site, invitation)
    secret = [p for home in (center, site) for p in (home / "keys").iterdir() if p.suffix != ".pem"]
    assert len(secret) >= 8
    assert {stat.S_IMODE(os.stat(path).st_mode) for path in secret} == {0o600}


def test_no_private_key_is_in_what_is_handed_over(site: Path, invitation: Path, tmp_path: Path) -> None:
    join(site, invitation).write(tmp_path / "answer.json")
    handed_over = invitation.read_text() + (tmp_path / "answer.json").read_text()
    assert "PRIVATE" not in handed_over


def test_the_node_key_is_one_that_flower_takes(site: Path, invitation: Path) -> None:
    answer = join(site, invitation)
    public = load_ssh_public_key(answer.node_key.encode())
    private = load_ssh_private_key((site / "keys" / "node").read_bytes(), None)
    assert isinstance(public, ec.EllipticCurvePublicKey)
    assert public.curve.name == "secp384r1"
    assert private.public_key() == public


def test_the_servers_certificate_is_for_its_address_and_its_authority_is_trusted(center: Path) -> None:
    ssl.create_default_context(cafile=str(center / "keys" / "ca.pem"))
    certificate = x509.load_pem_x509_certificate((center / "keys" / "server.pem").read_bytes())
    authority = x509.load_pem_x509_certificate((center / "keys" / "ca.pem").read_bytes())
    certificate.verify_directly_issued_by(authority)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "hub.example.org"]
    assert "127.0.0.1" in {str(ip) for ip in names.get_values_for_type(x509.IPAddress)}


def test_a_site_that_nobody_invited_is_not_enrolled(
    center: Path, site: Path, invitation: Path, tmp_path: Path
) -> None:
    stranger = join(site, invitation).model_copy(update={"site": "bergen"})
    stranger.write(tmp_path / "answer.json")
    with pytest.raises(InputError, match="was invited") as caught:
        enrol(center, tmp_path / "answer.json")
    assert caught.value.code == Code.NOT_FOUND


def test_an_enrolled_sites_keys_are_not_replaced(
    center: Path, site: Path, invitation: Path, tmp_path: Path
) -> None:
    join(site, invitation).write(tmp_path / "answer.json")
    enrol(center, tmp_path / "answer.json")
    make_site(tmp_path / "impostor", "oslo")
    join(tmp_path / "impostor", invitation).write(tmp_path / "other.json")
    with pytest.raises(InputError, match="other keys"):
        enrol(center, tmp_path / "other.json")


def test_a_masking_key_of_somebody_else_is_refused(
    center: Path, site: Path, invitation: Path, tmp_path: Path
) -> None:
    make_site(tmp_path / "other", "oslo")
    foreign = join(tmp_path / "other", invitation)
    mixed = join(site, invitation).model_copy(update={"masking_key": foreign.masking_key})
    mixed.write(tmp_path / "answer.json")
    with pytest.raises(InputError) as caught:
        enrol(center, tmp_path / "answer.json")
    assert caught.value.code == Code.BAD_SIGNATURE
    assert Store(center).sites()[0].enrolment is None


def test_another_sites_invitation_is_refused(center: Path, site: Path, tmp_path: Path) -> None:
    invite(center, "bergen").write(tmp_path / "bergen.json")
    with pytest.raises(InputError, match="'bergen'"):
        join(site, tmp_path / "bergen.json")


def test_a_site_does_not_slip_into_another_consortium(site: Path, invitation: Path, tmp_path: Path) -> None:
    join(site, invitation)
    make_center(tmp_path / "second", "Sarcoma", port=9444)
    invite(tmp_path / "second", "oslo").write(tmp_path / "second.json")
    with pytest.raises(InputError, match="another consortium"):
        join(site, tmp_path / "second.json")


@pytest.mark.parametrize("content", ["{}", "not json", '{"schema_version": 1, "site": "oslo", "extra": 1}'])
def test_a_file_of_another_kind_is_named_and_refused(site: Path, tmp_path: Path, content: str) -> None:
    (tmp_path / "file.json").write_text(content)
    with pytest.raises(InputError, match=r"file\.json is not an invitation"):
        join(site, tmp_path / "file.json")
    with pytest.raises(InputError, match=r"file\.json is not an enrolment"):
        Enrolment.read(tmp_path / "file.json")


def test_an_unknown_key_in_the_settings_is_an_error(center: Path) -> None:
    with open(center / SETTINGS, "a") as file:
        file.write("telemetry = true\n")
    with pytest.raises(InputError, match="telemetry"):
        load(center)


def test_a_center_is_not_made_twice(center: Path) -> None:
    with pytest.raises(InputError, match="already"):
        make_center(center, "Glioma")


def test_a_fingerprint_has_128_bits_in_groups_that_can_be_read_out() -> None:
    # printf key | sha256sum (coreutils 9.1)
    assert fingerprint("key") == "2c70 e12b 7a06 46f9 2279 f427 c7b3 8e73"
