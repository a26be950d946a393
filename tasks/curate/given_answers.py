"""How a thought speaks of a reference or of an answer that was given: words that nobody has who only does a task."""

from __future__ import annotations

import re

_GIVEN = r"(?:given|provided|supplied|handed|shown|told)"
_BEEN = r"(?:was|were|am|have been|has been|had been)"
_I_WAS = rf"\b(?:i|we)(?:\s+(?:already\s+)?{_BEEN}|'m|'ve been|'d been)(?:\s+already)?"
_THE = r"(?:(?:this|that|the|an?|my|its|correct|right|next|final|exact|full|whole|very)\s+)*"
_DEED = r"(?:solution|answer|action)s?\b"
_WORK = r"(?:solutions?|answers?|actions?|quer(?:y|ies)|sql|commands?)\b"
_FORM = r"(?!['’]?s?\s+(?:form|type|should|must|has to|have to|needs|is (?:an?|one|just|only)\b))"
_SPOKEN = (
    # by a name that only somebody who holds it would use
    rf"\b(?:reference|gold(?:en)?(?:[- ]standard)?|oracle|labell?ed|intended|demonstrated)\s+{_THE}{_WORK}",
    r"\b(?:reference|gold(?:en)?)\s+(?:output|result)s?\b|\bground[- ]truth\b|\b(?:answer|solution) key\b",
    rf"\b(?:model|hidden|official|target|suggested|recorded|known)\s+{_THE}{_DEED}",
    rf"\b(?:given|provided|supplied)\s+{_THE}(?:{_DEED}|quer(?:y|ies)\b|sql\b)(?!\s+(?:form|type))",
    rf"\bexpected\s+(?:solution|action)s?\b|\bexpected\s+answers?\b{_FORM}",
    # as something that was given
    rf"{_I_WAS}\s+{_GIVEN}\s+(?:with\s+)?{_THE}{_DEED}|{_I_WAS}\s+{_GIVEN}\s+(?:with\s+)?(?:the|this)\s+{_THE}{_WORK}",
    rf"\b{_DEED}\s+(?:(?:that|which)\s+)?(?:{_I_WAS}|{_BEEN})\s+(?:already\s+)?{_GIVEN}\b|\b{_WORK}\s+{_I_WAS}\s+{_GIVEN}\b",
    rf"\b{_BEEN}\s+{_GIVEN}\s+(?:to me\s+)?as\s+{_THE}{_DEED}",
    rf"\b{_DEED}\s+(?:(?:is|are)\s+)?(?:already\s+)?{_GIVEN}\b"
    r"(?!\s+(?:by|as|in|with|when|after|once|only|the|this|that|these|what|how|my)\b)",
    rf"\b{_DEED}\s+(?:(?:is|are)\s+)?{_GIVEN}\s+(?:by|in|with)\s+the\s+(?:task|prompt|instructions?)\b",
    rf"\b(?:told|instructed|informed)\s+that\s+{_THE}{_DEED}{_FORM}",
    r"\b(?:prompt|task|hint|instructions?)\s+(?:already\s+)?(?:gives?|tells?|says?|shows?|states?)\s+(?:me\s+|us\s+)?"
    rf"(?:that\s+)?the\s+{_THE}(?:solution|action)s?\b",
    r"\bactions?\s+(?:is|are)\s+(?:given|provided|shown)\b",
    r"\bnext action\s+(?:given|provided|shown|shows|says|listed)\b",
    r"\b(?:given|shown|seen|listed|stated|written)\s+(?:in|under|as|by)\s+the\s+next\s+action\b",
    # as something that speaks or leads
    r"\bthe\s+(?:reference|solution)\s+(?:says|states|shows|tells|uses|does|runs|gives|indicates|calls for)\b",
    r"\b(?:from|seen|saw|based on|according to|follow(?:s|ing)?|match(?:es|ing)?|reproduc(?:es?|ing)|per"
    r"|look(?:ed|ing)? at)\s+the\s+(?:(?:correct|right|known|final|full)\s+)?(?:reference|solution)\b"
    r"(?!\s+(?:manual|table|column|file|folder|directory|id|number|list))",
    r"\bpeek(?:ed|ing)?\s+at\s+the\s+answer\b|\bbackwards?\s+from\s+the\s+(?:\w+\s+)?(?:answer|solution|result)\b",
    r"\b(?:since|as|because)\s+the\s+(?:\w+\s+)?(?:answer|solution)\s+is\s+(?:already\s+)?known\b",
    r"\b(?:answer|solution|action)\b[^.]{0,40}\bin advance\b|\bin advance\b[^.]{0,40}\b(?:answer|solution|action)\b",
)
SPEAKS_OF_ONE = re.compile("|".join(_SPOKEN), re.IGNORECASE)
