"""Whose turn it is: order within a host, hosts beside each other, nothing lost, nothing read too early."""

import random
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from math import inf

import pytest

from tasks.capture.policy import Target
from tasks.turns import Turns, host_of


class Hosts:
    """Paces as a test says; times are those of its clock."""

    def __init__(self, apart: dict[str, float] | None = None) -> None:
        self.now, self.apart, self.next_at = 0.0, apart or {}, defaultdict[str, float](float)

    def rests_s(self, target: Target) -> float:
        return max(0.0, self.next_at[target.authority] - self.now)

    def apart_s(self, target: Target) -> float:
        return self.apart.get(target.authority, 0.0)

    def turns(self, urls: list[str] | Iterator[str | None], per_host: int = 2, ahead: int = 1000) -> Turns:
        return Turns(urls, self, per_host=per_host, ahead=ahead, clock=lambda: self.now)


def pages(host: str, count: int) -> list[str]:
    return [f"https://{host}.example/{number}" for number in range(count)]


def taken(turns: Turns) -> list[str]:
    """All that may begin now."""
    found = []
    while (url := turns.take()) is not None:
        found.append(url)
    return found


def test_a_host_has_so_many_pages_under_way_and_the_next_when_one_is_free() -> None:
    turns = Hosts().turns([*pages("a", 4), *pages("b", 1)])
    assert taken(turns) == [*pages("a", 2), *pages("b", 1)]
    assert turns.wait_s() == inf
    turns.free(pages("a", 1)[0])
    assert taken(turns) == pages("a", 3)[2:]
    turns.free(pages("b", 1)[0])
    assert taken(turns) == []
    assert turns.left
    turns.free(pages("a", 3)[2])
    assert taken(turns) == pages("a", 4)[3:]
    assert not turns.left


def test_a_host_whose_pages_are_to_be_apart_waits_and_the_others_do_not() -> None:
    hosts = Hosts({"a.example": 5.0})
    turns = hosts.turns([*pages("a", 3), *pages("b", 2)])
    assert taken(turns) == ["https://a.example/0", *pages("b", 2)]
    assert turns.wait_s() == 5.0
    hosts.now = 4.9
    turns.free("https://b.example/0")
    assert taken(turns) == []
    hosts.now = 5.0
    assert taken(turns) == ["https://a.example/1"]
    hosts.next_at["a.example"] = 30.0  # it has asked for a rest
    turns.free("https://a.example/0")
    assert taken(turns) == []
    hosts.now = 10.0
    assert taken(turns) == []
    assert turns.wait_s() == 20.0
    hosts.now = 30.0
    assert taken(turns) == ["https://a.example/2"]


def test_pages_are_read_only_when_those_before_may_not_begin_and_so_many_at_most() -> None:
    read = []

    def named() -> Iterator[str]:
        for url in pages("a", 100):
            read.append(url)
            yield url

    turns = Hosts().turns(named(), per_host=1, ahead=10)
    assert turns.take() == "https://a.example/0"
    assert len(read) == 1
    assert turns.take() is None
    assert len(read) == 11
    turns.free("https://a.example/0")
    assert turns.take() == "https://a.example/1"
    assert len(read) == 11


def test_what_is_no_url_has_its_turn_too() -> None:
    turns = Hosts().turns(["http://[x", "ftp://a.example/", ""])
    assert taken(turns) == ["http://[x", "ftp://a.example/"]
    turns.free("http://[x")
    assert taken(turns) == [""]


def test_where_no_page_is_named_just_now_the_next_one_is_asked_for_later() -> None:
    turns = Hosts().turns(iter(["https://a.example/0", None, None, "https://a.example/1"]))
    assert taken(turns) == ["https://a.example/0"]
    assert (turns.take(), turns.left) == (None, True)
    assert taken(turns) == ["https://a.example/1"]
    assert not turns.left


def test_http_and_https_of_a_host_are_one() -> None:
    assert host_of("https://News.Example:443/x") == host_of("http://news.example./") == "news.example"
    assert host_of("http://news.example:8080/") == "news.example:8080"
    assert host_of("https://me:secret@news.example/") == ""


@pytest.mark.parametrize("seed", range(20))
def test_every_page_has_one_turn_in_its_host_s_order_and_no_host_is_pressed(seed: int) -> None:
    dice = random.Random(seed)
    names = [f"h{number}" for number in range(dice.randint(1, 8))]
    hosts = Hosts({f"{name}.example": dice.choice([0.0, 0.0, 1.0, 7.0]) for name in names})
    urls = [f"https://{dice.choice(names)}.example/{number}" for number in range(200)]
    per_host, workers = dice.randint(1, 3), dice.randint(1, 6)
    turns = hosts.turns(iter(urls), per_host=per_host, ahead=dice.choice([1, 5, 1000]))
    order: list[str] = []
    began = defaultdict[str, list[float]](list)
    under_way: list[str] = []
    while turns.left or under_way:
        while len(under_way) < workers and (url := turns.take()) is not None:
            host = host_of(url)
            assert sum(host_of(other) == host for other in under_way) < per_host
            began[host].append(hosts.now)
            hosts.next_at[host] = hosts.now + hosts.apart.get(host, 0.0)
            order.append(url)
            under_way.append(url)
        if under_way and dice.random() < 0.7:
            turns.free(under_way.pop(dice.randrange(len(under_way))))
        else:
            hosts.now += min(turns.wait_s(), dice.random())
    assert sorted(order) == sorted(urls)
    for host, times in began.items():
        assert [url for url in order if host_of(url) == host] == [url for url in urls if host_of(url) == host]
        assert all(after - before > hosts.apart[host] - 1e-9 for before, after in pairwise(times))
