"""Who is a member follows from what people at the sites signed, and from nothing that a coordinator sends."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocols.core.errors import Code, InputError
from protocols.exchange.keys import public_text
from protocols.exchange.membership import Statement, admitted, members, statement

CENTER = "center"


class People:
    """People at sites, with the keys of their sites and what they signed."""

    def __init__(self, *names: str) -> None:
        self.keys = {name: Ed25519PrivateKey.generate() for name in names}
        self.said: list[Statement] = []

    def public(self, name: str) -> str:
        return public_text(self.keys[name].public_key())

    def say(self, by: str, action: str, *sites: str) -> None:
        for site in sites:
            said = statement(
                CENTER,
                action,  # type: ignore[arg-type]
                site,
                self.public(site),
                by=by,
                key=self.keys[by],
            )
            self.said.append(said)

    def all_confirm(self, *names: str) -> None:
        for name in names:
            self.say(name, "confirm", *(other for other in names if other != name))

    def seen_by(self, name: str) -> str:
        """The members in one string of their names."""
        return "".join(sorted(members(name, self.public(name), self.said)))


def test_three_sites_that_all_confirmed_each_other_are_members() -> None:
    people = People(*"abc")
    people.all_confirm("a", "b", "c")
    assert [people.seen_by(name) for name in "abc"] == ["abc"] * 3


@pytest.mark.parametrize("missing", range(6))
def test_without_one_of_the_six_confirmations_there_are_no_members(missing: int) -> None:
    people = People(*"abc")
    people.all_confirm("a", "b", "c")
    del people.said[missing]
    assert [people.seen_by(name) for name in "abc"] == [""] * 3


def test_a_new_site_is_a_member_when_two_members_confirmed_it() -> None:
    people = People(*"abcd")
    people.all_confirm("a", "b", "c")
    people.say("a", "confirm", "d")
    assert people.seen_by("c") == "abc"
    people.say("b", "confirm", "d")
    assert people.seen_by("c") == "abcd"
    assert people.seen_by("d") == ""  # its own people confirmed nobody yet
    people.say("d", "confirm", "a", "b")
    assert people.seen_by("d") == "abcd"  # c by a and b


def test_invented_sites_that_confirm_each_other_are_no_members() -> None:
    people = People(*"abcxyz")
    people.all_confirm("a", "b", "c")
    people.all_confirm("x", "y", "z")
    people.say("x", "confirm", "a", "b", "c")
    people.say("y", "confirm", "a", "b", "c")
    people.say("a", "confirm", "x")  # one person was deceived
    assert [people.seen_by(name) for name in "abc"] == ["abc"] * 3


def test_a_site_is_removed_by_two_members_and_by_one_in_its_own_eyes() -> None:
    people = People(*"abcde")
    people.all_confirm(*"abcde")
    people.say("a", "remove", "e")
    assert people.seen_by("a") == "abcd"
    assert people.seen_by("b") == "abcde"
    people.say("b", "remove", "e")
    assert [people.seen_by(name) for name in "abcd"] == ["abcd"] * 4
    assert people.seen_by("e") == ""
    people.say("c", "confirm", "e")
    people.say("d", "confirm", "e")
    assert people.seen_by("c") == "abcd"  # that key never comes back


def test_who_is_removed_no_longer_confirms_others() -> None:
    people = People(*"abcde")
    people.all_confirm(*"abcd")
    people.say("c", "confirm", "e")
    people.say("d", "confirm", "e")
    assert people.seen_by("a") == "abcde"
    people.say("a", "remove", "d")
    people.say("b", "remove", "d")
    assert people.seen_by("a") == "abc"


def test_a_site_with_two_confirmed_keys_is_no_member_until_two_removed_the_old_one() -> None:
    people = People(*"abcd")
    people.all_confirm(*"abcd")
    old = people.keys["d"]
    new = people.keys["d"] = Ed25519PrivateKey.generate()
    for by in "ab":
        people.say(by, "confirm", "d")
    assert people.seen_by("c") == "abc"
    people.keys["d"] = old
    for by in "ab":
        people.say(by, "remove", "d")
    people.keys["d"] = new
    assert people.seen_by("c") == "abcd"
    assert members("c", people.public("c"), people.said)["d"] == people.public("d")


def test_a_run_is_over_sites_that_are_members_to_each_other() -> None:
    people = People(*"abcde")
    people.all_confirm(*"abcd")
    people.say("e", "confirm", *"abcd")
    keys = {name: people.public(name) for name in "abcde"}
    assert admitted("abcde", keys, people.said) == tuple("abcd")
    assert admitted("abe", keys, people.said) == tuple("ab")


def test_a_statement_that_was_altered_does_not_bear_its_signature() -> None:
    people = People(*"ab")
    people.say("a", "confirm", "b")
    (said,) = people.said
    said.check()
    changes = {"action": "remove", "site": "c", "by": "c", "consortium": "another", "signature": ""}
    for field, value in changes.items():
        with pytest.raises(InputError) as caught:
            said.model_copy(update={field: value}).check()
        assert caught.value.code == Code.BAD_SIGNATURE
