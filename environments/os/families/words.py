"""Words that parameters and scenarios are drawn from; wide lists keep two problems of one family apart."""

from __future__ import annotations


def listed(text: str) -> tuple[str, ...]:
    """Return the words of a text."""
    return tuple(text.split())


PLACES = listed(
    """harbor orchard atlas bakery cedar clinic comet copper delta dockyard ember falcon fjord forge garden glacier
    granite hangar heron hollow indigo island juniper kestrel lagoon lantern library lighthouse maple marina meadow
    mill mistral museum nebula nursery oasis observatory orbit osprey paddock pantry pavilion pier pioneer prairie
    quarry quartz raven reef ridge riverside saddle sawmill sierra spruce station summit sundial tannery terrace
    thicket tidewater timber trellis tundra valley viaduct village vineyard walnut warren watermill willow windmill
    workshop yard zephyr zenith"""
)
SUBJECTS = listed(
    """accounts arrivals batches bookings budget catalog claims contracts deliveries departures drafts exports
    feedback fixtures harvest imports inspections intake inventory invoices journals ledgers letters manuals
    manifests measurements meetings memos minutes notices orders parcels payments permits photos plans policies
    pressings profiles quotes readings receipts recipes records registers rentals repairs reports requests returns
    roster routes samples schedules shipments signals sketches snapshots stock surveys tickets timetables transcripts
    trials uploads vouchers warrants"""
)
STEMS = listed(
    """acorn amber anchor arrow aspen badger basil beacon birch bison bramble breeze bridge canyon cargo carbon chalk
    cherry cinder clover cobalt coral crane cricket dahlia daisy dune eagle echo elder fable feather fennel fern
    finch flint fox gale garnet ginger grove hazel hornet iris ivory ivy jade jasper kelp kite lark laurel lemon
    lilac linden lotus lynx magnet mango marble merlin mint moss nettle nickel oak olive onyx opal otter panda pearl
    pebble pepper petal pine plum poplar poppy puffin quail quill rivet robin rowan ruby sable saffron sage salmon
    silver slate sparrow spindle starling stone sumac swan tango teal thistle thyme tulip turnip umber velvet violet
    vortex wagon wasp wheat wren yarrow zinc"""
)
EXTENSIONS = ("txt", "log", "csv", "md", "conf", "dat", "json", "bak", "tmp", "ini", "rst", "yml", "xml", "lst")
PEOPLE = listed(
    """Mira Jonas Aisha Tomas Ingrid Rahul Chloe Mateo Yuki Farid Nadia Oskar Priya Lena Samir Beatriz Henrik Zola
    Viktor Amara Kenji Petra Diego Salma Anton Freya Idris Marta Noor Pavel Quentin Rosa Selma Tariq Ulla Wanda
    Xenia Yusuf Bruno Carmen"""
)
USERS = listed(
    """alba bjorn carla dario elif fenna gustav hanna ilse jarek karim livia milan nora oleg pia rene sofia
    tara udo vera wim yara zeno"""
)
SERVICES = listed(
    """mailer indexer scheduler gateway billing cache crawler notifier renderer archiver replicator sampler tracker
    uploader watcher printer balancer collector dispatcher encoder importer monitor planner resolver syncer"""
)
CITIES = listed(
    """lisbon oslo turin bergen cadiz dublin ghent izmir krakow lyon malmo nantes porto quito riga sofia tallinn
    utrecht vienna york zagreb bilbao genoa leipzig tampere"""
)
