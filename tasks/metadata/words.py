"""The words that pages use around dates, bylines and site names: one table an idea, to be added to freely.

Learned from the development pages of tests/quality/meta.py; every pattern is applied to short, folded text only
(`clip` in text.py), so that none can run away.
"""

import re

__all__ = [
    "ARTICLE_TYPES",
    "BYLINE",
    "BYLINE_ALONE",
    "BY_INSIDE",
    "CREDENTIALS",
    "LEAD_IN",
    "LONE_NAME",
    "MONTHS",
    "NAME_BREAK",
    "NAME_TAIL",
    "NOT_A_NAME",
    "ORGANISATION",
    "PAGE_TYPES",
    "PUBLISHED_WORDS",
    "ROLE",
    "UPDATED_WORDS",
    "WRITTEN_BY",
]


def _alternatives(words: str) -> str:
    return "|".join(re.escape(word).replace("_", r"\s+") for word in words.split())


# schema.org types that mean "this is the article", and "this is the page around it".
ARTICLE_TYPES = re.compile(r"Article|Posting|Report|Review|Recipe|HowTo")
PAGE_TYPES = re.compile(r"WebPage|ItemPage|AboutPage|CollectionPage")

# One line a month: English, German, French, Spanish, Italian, Dutch, Portuguese, Polish, Swedish, Danish, Norwegian,
# Czech, Turkish, Indonesian, Romanian, Hungarian, Finnish, Russian, Ukrainian.
_MONTH_NAMES = (
    "jan january januar jänner janvier enero gennaio januari janeiro styczeń stycznia ledna ocak ianuarie "
    "január tammikuuta января січня",
    "feb february februar feber février fevrier febrero febbraio februari fevereiro luty lutego února şubat "
    "februarie február helmikuuta февраля лютого",
    "mar march mär märz maerz mrz mars marzo maart março marca marec března mart maret martie március "
    "maaliskuuta марта березня",
    "apr april avril abril aprile kwiecień kwietnia dubna nisan aprilie április huhtikuuta апреля квітня",
    "may mai mayo maggio mei maio maj maja května mayıs május toukokuuta мая травня",
    "jun june juni juin junio giugno junho czerwiec czerwca června haziran iunie június kesäkuuta июня червня",
    "jul july juli juillet julio luglio julho lipiec lipca července temmuz iulie július heinäkuuta июля липня",
    "aug august août aout agosto augustus augusti sierpień sierpnia srpna ağustos agustus augusztus elokuuta "
    "августа серпня",
    "sep sept september septembre septiembre setiembre settembre setembro wrzesień września září eylül "
    "septembrie szeptember syyskuuta сентября вересня",
    "oct october okt oktober octobre octubre ottobre outubro październik października października října ekim "
    "octombrie október lokakuuta октября жовтня",
    "nov november novembre noviembre novembro listopad listopada listopadu kasım noiembrie marraskuuta ноября "
    "листопада",
    "dec december dez dezember déc décembre decembre diciembre dicembre dezembro grudzień grudnia prosince "
    "aralık desember decembrie joulukuuta декабря грудня",
)
MONTHS = {name: number for number, names in enumerate(_MONTH_NAMES, 1) for name in names.split()}

UPDATED_WORDS = re.compile(
    r"updat|modif|aktualisiert|mis à jour|actualiz|aggiornat|bijgewerkt|zaktualizowano|обновлено", re.I
)
PUBLISHED_WORDS = re.compile(r"publi|posted|veröffentlicht|erstellt|entry-date|created|geplaatst|опубликовано", re.I)

# ---- bylines
_BY = "by von par por di af av door przez od from"
_LABEL = (
    "author(s) authors autoren autorinnen auteurs autores autori contributors contributor author autor auteur autorin "
    "autore text bericht redaktion redakteur about_the_author about_author автор"
)
_BEFORE_BY = (
    "story text article written posted published words reported medically_reviewed reviewed created "
    "geschrieben veröffentlicht publié aktualisiert erstellt ein_artikel ein_beitrag ein_gastbeitrag artikel "
    "interview kommentar eine_analyse essay"
)
# "Story by: Ann Lee" and "Author: Ann Lee" at the start of a name.
LEAD_IN = re.compile(
    rf"^(?:(?:{_alternatives(_BEFORE_BY)})\s+)?(?:(?:{_alternatives(_BY)})\b[:\s]+|(?:{_alternatives(_LABEL)})\s*:?\s+)",
    re.I,
)
# A text node that starts a byline, and one that is nothing but the lead-in (the name is the next node).
_START = (
    r"(?:text|written|posted|published|words|article|story|report|post|researched|interview|blog ?beitrag|ein \w{1,20})"
)
_STARTERS = (
    r"(?:by|von|par|por|di|authors?(?:\(s\))?|autor|autorin|autoren|autores|text|auteurs?|contributors?|redaktion)"
)
BYLINE = re.compile(rf"[-–— ]*(?:{_START}\s)?{_STARTERS}\b\s?:?\s?", re.I)
BYLINE_ALONE = re.compile(rf"(?:{_START}\s)?{_STARTERS}\s?:?", re.I)
WRITTEN_BY = re.compile(
    r"(?:this (?:post|article) was )?(?:written|posted|words|authored|researched) by\b|"
    r"(?:autor|autorin|text|autoren):\s|author$|(?:geschrieben|verfasst) von\b|écrit par\b|escrito por\b",
    re.I,
)
# A line that may be nothing but a name.
LONE_NAME = re.compile(
    r"(?:(?:Dr|Prof|Mag)\. )?[^\W\d_a-zß-öø-ÿ]\w*[\w.'’-]*(?: (?:[a-z]{2,3} )?[^\W\d_a-zß-öø-ÿ][\w.'’-]*){1,3}"
)
BY_INSIDE = re.compile(r"(?:^|\s)(?:by|von|par|por)\s?:?\s(?=[^\W\d_])", re.I)

# Where a visible byline stops being a name: separators, "on 3 May", "in Berlin", a date.
_MONTH_STARTS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mär|mai|okt|dez"
NAME_TAIL = re.compile(
    r"(?:\s*[|•·–—]|\s/\s|\s-\s"
    r"|\s(?:on|am|in|vom|le|at|for|published|updated|posted|last updated|stand|Uhr)\b"
    rf"|,?\s\d{{1,2}}[./ ]|\s(?:{_MONTH_STARTS})[a-zé]*\.?\s?\d|\s*\().*$",
    re.I,
)
NAME_BREAK = re.compile(r"\s?[,;|\n]\s?|\s?&\s?|\s(?:and|und|et|og|och|y)\s", re.I)
_CREDENTIALS = (
    "md phd ph d rd rdn ms msc mba ma ba bs bsc dr jr sr cpp psp cfp cpa esq jd rn lcsw mph do dds dvm pharmd "
    "facp cfa ceo cto editor ldn fand cdces ii iii mbbs pe ea psyd edd lmft"
)
CREDENTIALS = frozenset(_CREDENTIALS.split())
# What stands where a name should, and is none. Whole (first table), by its start (second), by a part (third).
_STOP_WHOLE = (
    "admin administrator author authors autor autorin auteur autore text editor editorial staff webmaster home "
    "view_all all_posts comment comments search subscribe login log_in menu by von written_by unknown guest "
    "wordpress newsletter website profile bio twitter facebook linkedin instagram email e-mail tag tags n/a "
    "none null undefined default test user anonymous foto photo image diaspora"
)
_STOP_START = (
    "read_ learn_ view_ see_ show_ load_ share follow about contact more posted updated published last_ "
    "reviewed fact-checked fact_checked advertis categor alle_beiträge zeige veröffentlicht mehr weiterlesen "
    "kommentar name_* publiziert stand ein_artikel head_of bild quelle"
)
NOT_A_NAME = re.compile(
    r"https?:|www\.|\.(?:com|de|org|net)$|@|\b\d{3,}|©|[{}<>]|\w\.\w+\.\w"
    rf"|^(?:{_MONTH_STARTS})[a-zé]*\.?\s?\d"
    rf"|^(?:the )?(?:(?:{_alternatives(_STOP_WHOLE)})$|(?:{_alternatives(_STOP_START)}))",
    re.I,
)
# What stands beside a name: function, house, town.
_ROLES = (
    "editor writer reporter correspondent founder ceo cto director manager head_of expert journalist redakteur "
    "redakteurin contributor analyst consultant author specialist team_lead president professor university "
    "staff inc llc gmbh strategist dietitian nutritionist korrespondent korrespondentin volontär volontärin "
    "freelance senior editor-in-chief thüringen washington london berlin new_york dpa afp ap reuters"
)
ROLE = re.compile(rf"\b(?:{_alternatives(_ROLES)})\b", re.I)
# What an organisation's name holds and a person's does not.
ORGANISATION = re.compile(
    r"\b(?:staff|team|redaktion|redacci[oó]n|redazione|redacja|r[ée]daction|redactie|news|desk|editors?|press|media|"
    r"magazine|verlag|agency|group|university|universit[äàé]\w*|institute?|foundation|stiftung|center|centre|inc|llc|ltd|"
    r"gmbh|e\.? ?v|company|association|society|ministry|department|afp|dpa|reuters|apa|sda|ap|efe|ansa|lusa|pap|tass|"
    r"online|blog|official|guest|service|services|times|post|journal|office|council|club|the)\b",
    re.I,
)
