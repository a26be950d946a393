"""Words that say how much a number is of."""

from __future__ import annotations

from collections.abc import Mapping

MEASURES: Mapping[str, str] = {
    **dict.fromkeys(("km", "kilometer", "kilometers", "kilometre", "kilometres"), "kilometer"),
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), "meter"),
    **dict.fromkeys(("cm", "centimeter", "centimeters", "centimetre", "centimetres"), "centimeter"),
    **dict.fromkeys(("mm", "millimeter", "millimeters", "millimetre", "millimetres"), "millimeter"),
    **dict.fromkeys(("mi", "mile", "miles"), "mile"),
    **dict.fromkeys(("ft", "foot", "feet"), "foot"),
    **dict.fromkeys(("kg", "kilogram", "kilograms", "kilo", "kilos"), "kilogram"),
    **dict.fromkeys(("g", "gram", "grams"), "gram"),
    **dict.fromkeys(("lb", "lbs", "pound", "pounds", "gbp", "£"), "pound"),
    **dict.fromkeys(("t", "ton", "tons", "tonne", "tonnes"), "ton"),
    **dict.fromkeys(("l", "liter", "liters", "litre", "litres"), "liter"),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), "hour"),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), "minute"),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "second"),
    **dict.fromkeys(("day", "days"), "day"),
    **dict.fromkeys(("week", "weeks"), "week"),
    **dict.fromkeys(("month", "months"), "month"),
    **dict.fromkeys(("year", "years", "yr", "yrs"), "year"),
    **dict.fromkeys(("dollar", "dollars", "usd", "$"), "dollar"),
    **dict.fromkeys(("euro", "euros", "eur", "€"), "euro"),
    **dict.fromkeys(("percent", "pct", "percentage", "%"), "percent"),
    **dict.fromkeys(("k", "thousand", "thousands"), "thousand"),
    **dict.fromkeys(("million", "millions"), "million"),
    **dict.fromkeys(("bn", "billion", "billions"), "billion"),
    "dozen": "dozen",
    "hundred": "hundred",
}
"""Words that say how much a number is of, by what they all mean."""
