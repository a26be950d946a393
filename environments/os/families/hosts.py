"""Families on host tables (copies of /etc/hosts)."""

from __future__ import annotations

import random

from environments.os.families import words
from environments.os.families.family import (
    DIRECTORY,
    Move,
    Params,
    Scene,
    Slot,
    distinct,
    family,
)
from environments.os.families.folder import Folder, lines

_ADDRESS = Slot(
    lambda rng: f"10.{rng.randint(1, 99)}.{rng.randint(1, 250)}.{rng.randint(2, 250)}", r"10\.\d+\.\d+\.\d+"
)
_HOST = Slot(lambda rng: f"{rng.choice(words.STEMS)}-{rng.choice(words.CITIES)}", "[a-z]+-[a-z]+")


@family(
    "system",
    "name",
    {"dir": DIRECTORY, "address": _ADDRESS},
    """
    - Which host name does {dir}/hosts give to the address {address}?
    - Look up {address} in the hosts file {dir}/hosts: what is the machine called?
    - In {dir}/hosts, find the name that belongs to the IP address {address}.
    - The firewall blocked {address}. Using the table {dir}/hosts, tell which machine that is.
    - Resolve {address} to a name with the help of {dir}/hosts, a copy of a hosts file.
    - What name stands beside {address} in the file {dir}/hosts?
    - Go through {dir}/hosts and identify the host that has the IP {address}.
    - Our list of hosts is {dir}/hosts. Which entry has {address} as its address?
    """,
)
def host_name(p: Params, rng: random.Random) -> Scene:
    """awk prints the second field of the line of {dir}/hosts that starts with {address}."""
    names = [f"{stem}-{rng.choice(words.CITIES)}" for stem in distinct(rng, words.STEMS, rng.randint(5, 9))]
    table = [f"{_ADDRESS.draw(rng)} {name}" for name in names[1:]]
    table = [row for row in table if not row.startswith(f"{p['address']} ")]
    table.insert(rng.randrange(len(table)), f"{p['address']} {names[0]}")
    return Scene(
        before=Folder(p["dir"], {"hosts": lines("127.0.0.1 localhost", *table)}),
        reference=f"awk '$1 == \"{p['address']}\" {{ print $2 }}' {p['dir']}/hosts",
        moves=(
            Move("How is the table laid out?", f"head -n 3 {p['dir']}/hosts"),
            Move(
                "Address, then name. I select the line with exactly this address.",
                f'while read -r ip name; do [ "$ip" = {p["address"]} ] && echo "$name"; done < {p["dir"]}/hosts',
            ),
        ),
        answer=names[0],
    )


@family(
    "system",
    "change",
    {"dir": DIRECTORY, "host": _HOST, "address": _ADDRESS},
    """
    - Add the host {host} with the address {address} as the last line of {dir}/hosts, in the same form as the others.
    - Append an entry for {host} ({address}) to the end of the hosts file {dir}/hosts.
    - The new machine {host} has the IP {address}. Register it in {dir}/hosts, at the bottom, one blank between both.
    - {dir}/hosts lacks the line "{address} {host}"; put it at the end of the file.
    - Extend the table {dir}/hosts by one last line: the address {address}, one space, the name {host}.
    - Make {address} resolve to {host} by a further line at the bottom of {dir}/hosts, address first.
    - Enter {host} into {dir}/hosts; its address is {address} and the entry comes after all existing ones.
    - We have set up {host} under {address}. Complete {dir}/hosts by a final line for it, like the lines above.
    """,
)
def add_host(p: Params, rng: random.Random) -> Scene:
    """echo '{address} {host}' >> {dir}/hosts."""
    table = [f"{_ADDRESS.draw(rng)} {_HOST.draw(rng)}" for _ in range(rng.randint(3, 7))]
    before = Folder(p["dir"], {"hosts": lines("127.0.0.1 localhost", *table), "hosts.old": lines(*table)})
    entry = f"{p['address']} {p['host']}"
    return Scene(
        before=before,
        reference=f"echo '{entry}' >> {p['dir']}/hosts",
        moves=(
            Move("I look at the form of the entries.", f"tail -n 3 {p['dir']}/hosts"),
            Move(
                "Address, one space, name. I append the line.",
                f"echo {entry} >> {p['dir']}/hosts; tail -n 2 {p['dir']}/hosts",
            ),
        ),
        after=before.but({"hosts": lines("127.0.0.1 localhost", *table, entry)}),
    )


FAMILIES = (
    host_name,
    add_host,
)
