"""Words that parameters are drawn from; wide lists keep two problems of one family apart."""

from __future__ import annotations


def listed(text: str) -> tuple[str, ...]:
    """Return the words of a text."""
    return tuple(text.split())


PLACES = listed(
    """harbor orchard atlas bakery cedar clinic comet copper delta dockyard ember falcon fjord forge garden glacier
    granite hangar heron hollow indigo island juniper kestrel lagoon lantern library lighthouse maple marina meadow
    mill mistral museum nebula nursery oasis observatory orbit osprey paddock pantry pavilion pier prairie quarry"""
)
SUBJECTS = listed(
    """accounts arrivals batches bookings budget catalog claims contracts deliveries departures drafts exports
    feedback fixtures harvest imports inspections intake inventory invoices journals ledgers letters manuals
    manifests measurements meetings memos minutes notices orders parcels payments permits photos plans policies"""
)
STEMS = listed(
    """acorn amber anchor arrow aspen badger basil beacon birch bison bramble breeze bridge canyon cargo carbon chalk
    cherry cinder clover cobalt coral crane cricket dahlia daisy dune eagle echo elder fable feather fennel fern
    finch flint fox gale garnet ginger grove hazel hornet iris ivory ivy jade jasper kelp kite lark laurel lemon
    lilac linden lotus lynx magnet mango marble merlin mint moss nettle nickel oak olive onyx opal otter panda pearl"""
)
CITIES = listed(
    """lisbon oslo turin bergen cadiz dublin ghent izmir krakow lyon malmo nantes porto quito riga sofia tallinn
    utrecht vienna york zagreb bilbao genoa leipzig tampere"""
)
SERVICES = listed("mailer indexer scheduler gateway billing cache crawler notifier renderer archiver tracker")
OPTIONS = listed("LIMIT TIMEOUT RETRIES PORT INTERVAL BATCH_SIZE MAX_AGE WORKERS THRESHOLD KEEP_DAYS")
EXTENSIONS = ("txt", "log", "csv", "md", "conf", "dat", "json", "bak", "tmp", "ini", "rst", "yml", "xml", "lst")
