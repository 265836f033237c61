# ruff: noqa: RUF001  (the letters of other alphabets are meant)
"""What is a short reply: a carrier's keyword, or a plain request to be left alone?

`keyword` is what carriers promise: the whole message is one word of theirs. `asks_to_stop` reads
the rest of the language: any words, several tongues, common typing slips. A missed opt-out is worse
than a needless one, yet "I'll stop by the office" is neither. Every expression has bounded gaps, so
the work is linear in the text.
"""

import functools
import re
import unicodedata
from enum import StrEnum

_LONGEST = 20_000
"""An opt-out that hides behind more than this was not written to be read."""


class Keyword(StrEnum):
    """A reply of one word that carriers and we always honour."""

    STOP = "stop"
    START = "start"
    HELP = "help"
    YES = "yes"
    """START to a carrier; to us only where the address had opted out. The caller judges."""


_KEYWORDS = {
    **dict.fromkeys(
        (
            "stop", "stopall", "stop all", "unsubscribe", "end", "quit", "cancel", "revoke",
            "optout", "opt out", "arret", "alto", "baja", "parar", "pare", "sair", "stopp",
            "abmelden", "abbestellen", "desabonner", "退订", "退訂", "停止", "стоп", "배송중지",
            "수신거부", "配信停止",
        ),
        Keyword.STOP,
    ),
    **dict.fromkeys(("start", "unstop"), Keyword.START),
    **dict.fromkeys(("help", "info", "ayuda", "aide", "hilfe", "ajuda", "aiuto"), Keyword.HELP),
    **dict.fromkeys(("yes",), Keyword.YES),
}  # fmt: skip
_SPELLED = re.compile(r"\w(?: \w){2,10}")
_STOP_SIGNS = frozenset("🛑⛔🚫✋📵🔕")

_SLIPS = (
    "stpo|sotp|tsop|st0p|sttop|stopp|stoop|stip|stp|unsuscribe|unsubcribe|unsubscibe|unsubscrib"
    "|unsubsribe|unsubscribed|unscribe|remove|opt-out|optout"
)
_FILLERS = (
    r"(?:please|pls|plz|plse|just|now|thanks|thank you|thx|ty|ok|okay|immediately|asap|today|all"
    r"|already|it|this|these|that|of|everything|right away|at once|svp|por favor|bitte|hey|hi|hello"
    r"|guys|you people|im out|me)"
)
_BARE = re.compile(
    rf"(?:{_FILLERS} ){{0,3}}(?:stop|quit it|stop all|unsubscribe|opt out|{_SLIPS})"
    rf"(?: {_FILLERS}){{0,4}}"
)

_NOTES = (
    r"(?:texts?|txts?|texting|text messages?|messages?|messaging|msgs?|sms|e ?mails?|emailing"
    r"|mailings?|notifications?|reminders?|alerts?|notices?|spam|communications?|contact"
    r"|correspondence|updates|newsletters?|blasts?|stuff|crap)(?! (?:fees?|charges?|address))"
)
_OF_YOURS = (
    r"(?:with|w|all|any|these|those|this|that|the|ur|yr|your|my|of|about|sending|getting|receiving"
    r"|me|us|to|such|auto|automated|automatic|billing|dunning|payment|collections?|late|further"
    r"|future|more|other|unwanted|damn|stupid|annoying|fucking|bloody|endless|constant|clinic"
    r"|office|company|firm|robo|invoice|and|or|text|message|email|phone|bill|texts|emails|sms"
    r"|calls|from|in|related)"
)
_WRITING = (
    r"(?:text(?:in+g?)?|txting|messaging|msging|sending|e ?mailing|mailing|contacting|bothering"
    r"|harass?ing|harr?ass?ing|spamming|writing|reaching out|pestering|reminding|notifying"
    r"|hounding|bugging|pinging|blowing up|messing with|calling|sms ?ing|hitting)"
)
_WRITE = (
    r"(?:text|txt|message|msg|contact|e ?mail|mail|sms|write|bother|reach out to|ping|harass|bug"
    r"|notify|call or text|text or call|communicate with|spam)"
)
_ME = (
    r"(?:me|us|this (?:number|phone|line|nr|cell(?: phone)?|mobile|address|email|inbox|account)"
    r"|my (?:number"
    r"|phone|cell|mobile|email|e ?mail|address|line|inbox|work|name|info|contact)\w*|here|\S+@\S+"
    r"|my (?:husband|wife|mother|father|mom|dad|son|daughter|staff|client))"
)
_NEVER = (
    r"(?:do not|dont|donot|do nt|never|please not|pls not|just not|you not|not ever"
    r"|must not|may not|not to|stop and dont)"
)
_LIST = (
    r"(?:(?:mailing |distribution |text |contact |email |sms |calling |call |phone )?(?:lists?"
    r"|database|system|records|distribution|rotation|file)|" + _NOTES + r"|this|these|those|it"
    r"|here)"
)

_ENGLISH = (
    rf"(?:stop|quit|cease|halt|discontinue|enough)(?! by)(?: \w+){{0,3}} {_WRITING}\b",
    (
        rf"(?:stop|quit|cease|halt|end|discontinue|cancel|enough|suspend|turn off|switch off"
        rf"|disable)"
        rf"(?: {_OF_YOURS}){{0,6}} {_NOTES}\b(?! (?:me )?back)"
    ),
    r"(?:stop|quit) (?:bothering|harassing|annoying|spamming|bugging|it|this nonsense)\b",
    (
        rf"(?<!you )(?<!u )(?<!we )(?<!they )(?<!why )(?<!i ){_NEVER}(?: ever| please| you"
        rf"| u)? {_WRITE}"
        rf" (?:or \w+ )?(?:to )?(?:{_ME}|any ?more|again|$)"
    ),
    (
        rf"(?<!you )(?<!u )(?<!we )(?<!they )(?<!why )(?<!i ){_NEVER}(?: ever)? send(?: \w+){{0,2}}"
        rf"(?: {_OF_YOURS}){{0,5}} (?:{_NOTES}|any ?more|anything|again)\b"
    ),
    rf"if (?:you|u)(?: \w+)? (?:dont stop|keep|text|message|contact|email)(?: {_WRITING})? me\b",
    (
        rf"(?:tak(?:e|ing)|get|getting|pull|drop|scratch) {_ME} (?:\w+ )?(?:off|out)(?: of)?"
        rf"(?: {_OF_YOURS}){{0,4}}"
        rf"(?: {_LIST}| please| pls| now| immediately|$)"
    ),
    (
        rf"(?:remov(?:e|ing)|delete|erase|unsubscribe|drop|exclude|opt|unenroll|withdraw|strike)"
        rf" {_ME}(?: \w+){{0,3}}? (?:from|off|out of)(?: {_OF_YOURS}){{0,4}} {_LIST}\b"
    ),
    (
        r"(?:remove|unsubscribe|unenroll|opt out|opt) (?:me|us|this number|my number|my email)"
        r"(?: out)?(?: please| pls| now| thanks| asap| immediately)?$"
    ),
    (
        rf"opt(?:ing|ed)? {_ME} out\b(?! (?:of|from) (?:the |your |this |any )?"
        r"(?:auto|arbitration|class|renewal|plan|portab|paper|program|contract))"
    ),
    r"(?:lose|forget|delete|erase|block) (?:my|this) (?:number|nr|phone|cell|e ?mail|digits)",
    (
        rf"(?<!any )no (?:more |further |other )(?:of )?(?:{_OF_YOURS} ){{0,3}}(?:{_NOTES}|these"
        rf"|this)\b"
    ),
    rf"^(?:please |pls )?no (?:{_NOTES})(?: please| pls| thanks)?$",
    (
        rf"(?:dont|do not|didnt|did not|never|no longer|not) (?:want|wish|like|care|consent"
        rf"|agree|ask"
        rf"|authori[sz]e|permit|appreciate)(?:ed)?(?: \w+)?(?: (?:get|getting|receive|recieve|be"
        rf"|getting|see|hear|for|have|you))?(?: {_OF_YOURS}){{0,5}} (?:{_NOTES}|contacted|messaged"
        rf"|texted|emailed|(?:from )?(?:you|u) any ?more|hear(?:ing)? from)\b"
    ),
    (
        r"(?:dont|do not|no longer|never) (?:want|wish|care) (?:to )?(?:receive|get|getting|hear"
        r"|receiving|see)(?: (?:any|from|of|more|you|u|this|these|them|it|anymore))+"
    ),
    (
        r"(?:revok|withdr[ae]w|rescind|cancel)(?:e|ing|ed|s)?(?: \w+){0,2} (?:consent|permission"
        r"|authori[sz]ation)"
    ),
    r"(?<!the )(?<!on )opt(?:ing|ed|s)?[ -]?out\b(?! of (?:the |your |this |any |our )?(?!"
    + _NOTES
    + r"|list|all|clinic|firm)\w+(?! "
    + _NOTES
    + r"))(?! (?:link|form|option|page"
    r"|button|period|clause|window|deadline|process|fee))",
    (
        rf"(?:want|wish|like|need|trying|try|asked|asking|request|please|pls|tried) (?:to )?"
        rf"(?:be )?"
        rf"(?:unsubscribed?|opt(?:ed)?[ -]?out|removed from(?: {_OF_YOURS}){{0,4}} {_LIST}"
        rf"|taken off(?: {_OF_YOURS}){{0,4}} {_LIST})\b"
    ),
    rf"^unsubscribe (?:from (?:this|these|your|all|the)\b|{_ME})",
    r"cease (?:and|&) desist",
    r"cease(?: \w+){0,3} (?:contact|communications?|correspondence)",
    r"leave (?:me|us) (?:the \w+ )?alone",
    (
        r"(?:never|didnt|did not|dont remember) (?:sign|signed|signing|subscribe|subscribed|opt"
        r"|opted)"
        r" (?:up|in|to|for)\b"
    ),
    (
        r"(?:report|reporting|reported|flag|flagging|marking|mark|marked)(?: \w+){1,3} (?:as |for )"
        r"(?:spam|junk|harass)"
    ),
    r"(?:block|blocking|blocked) (?:you|u|this number|your number|this sender)\b",
    (
        r"(?:im|i am|we are|were) (?:so )?done (?:with|w) (?:these|this|your|ur)"
        r"(?: texts| messages| emails| reminders)?$"
    ),
    r"^(?:im )?done (?:with|w) (?:these|your texts|your messages|the texts)",
    (
        rf"(?:want|like) (?:them|these|this|the|those|it)(?: {_OF_YOURS}){{0,3}}(?: {_NOTES})? to"
        r" (?:stop|end)\b"
    ),
    rf"(?:{_NOTES}|these|this) (?:must|needs? to|has to|have to|should) (?:stop|end|cease)\b",
    r"not (?:text|message|email|contact|msg) (?:me|us)(?: any ?more| again|$)",
    r"reply(?:ing)? stop$",
    r"^stop (?:i|im|ive|we|you|u|this|it|now|already|bothering|me)\b(?! (?:from|by))",
)
_OTHER_TONGUES = (
    # Spanish
    (
        r"(?:dej[ae]n?|deje[ns]?|parar?|paren|pare) (?:ya )?de (?:mandar|envia|escrib|contact"
        r"|molest|llam"
        r"|text|acosar)\w*"
    ),
    (
        r"(?:ya )?no (?:quiero|deseo|queremos|deseamos)(?: \w+){0,3} (?:mensajes?|textos?|sms"
        r"|correos?"
        r"|e ?mails?|recordatorios?|avisos|notificaciones|recibir mas|que me)\b"
    ),
    r"ya no (?:me|nos) (?:mand|envi|escrib|contact|molest)\w+",
    r"no (?:me |nos )?(?:mand|envi|escrib|contact|molest|text)\w+(?: \w+){0,3} (?:mas|nunca)\b",
    r"(?:dar|den|de|da|dame|deme|denme)(?:me|nos)? (?:de )?baja\b",
    (
        r"(?:quit|borr|elimin|sa[qc])\w*(?:me|nos| mi (?:numero|correo|email|telefono)) de "
        r"(?:la|su|esta)"
        r" lista"
    ),
    r"(?:no|basta de) (?:mas )?(?:mensajes|textos|sms|correos)(?: mas)?\b",
    # French
    (
        r"(?:arrete[rz]?|cesse[rz]?)(?: \w+)?(?: de)?(?: me| nous| vos| ces| les| tous){0,3}"
        r" m?(?:envoy|ecri|contact|harcel|messag|sms|texto|mail|relanc|spam|mess)\w*"
    ),
    r"ne (?:plus|pas|jamais) (?:m|me |nous )?(?:envoy|ecri|contact|sollicit|relanc|recevoir)\w*",
    r"ne (?:m|me |nous )(?:envoy|ecri|contact|sollicit|relanc)\w+ (?:plus|pas|jamais)",
    (
        r"(?:souhaite|veux|desire|souhaitons|voulons) (?:plus|pas)(?: \w+){0,2} (?:recevoir"
        r"|etre contact"
        r"|sms|messages|mails)\w*"
    ),
    r"des(?:abonn|inscri)\w+(?: moi)?",
    r"(?:retire|enleve|supprime)[rz] (?:moi|mon numero|mon adresse|mon mail|mon email) de",
    # German
    (
        r"kein(?:e|en|erlei)?(?: weiteren?)? (?:sms|nachrichten|mails?|e ?mails?|textnachrichten"
        r"|erinnerungen|mahnungen|whatsapps?)(?: \w+){0,2} mehr\b"
    ),
    (
        r"(?:hor(?:t|en|e)?|horen sie)(?: \w+){0,2} auf(?: \w+){0,3} (?:zu )?(?:schreiben"
        r"|schicken|senden"
        r"|texten|kontaktieren|belastigen|nerven)"
    ),
    r"nicht mehr (?:schreiben|anschreiben|kontaktieren|schicken|senden|zu schreiben|kontaktiert)",
    (
        r"(?:schreib|schick|send|kontaktier)\w*(?: sie)? (?:mir|mich|uns)(?: \w+){0,2} (?:nie|nicht"
        r"|keine)(?: \w+){0,2} mehr"
    ),
    (
        r"(?:melde\w*|tragen|trag|streich\w*|nehm\w*|nimm)(?: sie)? (?:mich|uns|diese nummer)"
        r"(?: \w+){0,4} (?:ab|aus|verteiler|liste)\b"
    ),
    r"mochte(?: \w+){0,4} (?:abbestellen|abmelden)|(?:will|mochte) keine (?:sms|nachrichten|mails)",
    # Portuguese
    (
        r"(?:nao|n) (?:quero|desejo|queremos)(?: mais)?(?: receber)?(?: mais)?(?: \w+){0,2}"
        r" (?:isso|mensage\w+|sms|avisos?|e ?mails?|lembretes?|mais)\b"
    ),
    r"(?:parem|parar|pare|para) de (?:me )?(?:mandar|enviar|escrever|contatar|ligar|incomodar)",
    r"(?:nao|n) (?:me )?(?:mand|envi|escrev|contat|incomod)\w+(?: \w+)? mais\b",
    (
        r"(?:remov|tir|retir|exclu)\w+ (?:o )?(?:me|meu|minha)?(?: \w+)? ?(?:e ?mail|numero|nome)?"
        r"(?: \w+)? ?d[ae](?:ssa)? lista"
    ),
    r"descadastr\w+",
    # Italian
    r"non (?:mi |ci )?(?:scriv|mand|invi|contatt|disturb)\w+(?: \w+){0,2} piu\b",
    r"smett\w+ di (?:scriver|mandar|inviar|contattar|disturb)\w+",
    r"non (?:voglio|desidero|vogliamo)(?: piu)? ricever\w+",
    (
        r"(?:cancell|rimuov|togli|elimin)\w*(?: il mio)?(?: \w+)? (?:dalla|da|da questa) "
        r"(?:vostra )?(?:lista|"
        r"mailing|elenco)"
    ),
    r"(?:basta|niente piu) (?:messaggi|sms|e ?mail|mail)",
    # Dutch
    r"geen (?:\w+ )?(?:sms\w*|berichten|mails?|e ?mails?|appjes|herinneringen)(?: \w+)? meer",
    (
        r"(?:stop|stoppen|ophouden)(?: \w+){0,2} met (?:sms|mailen|berichten|schrijven|sturen"
        r"|appen)\w*"
    ),
    r"niet meer (?:sms|mail|schrijv|contact|benader|app)\w*",
    r"(?:haal|verwijder)\w* (?:mij|me|ons|dit nummer)(?: \w+)? (?:van|uit)|uitschrijven|afmelden",
    # Polish, Czech, Russian, Ukrainian
    r"(?:nie|przestan\w*|prosze nie)(?: \w+)? (?:wysyla|pisa|przysyla|kontaktowa)\w+",
    (
        r"не (?:пиш|присыла|отправля|шли|беспоко|высыла)\w*|хватит (?:пис|сла|присыла)\w+"
        r"|отпи(?:с|ш)\w+|прекратите|удалите меня"
    ),
    # Hindi in Latin letters and in Devanagari, Tagalog, Vietnamese
    (
        r"(?:sms|msg|msgs|message|messages)(?: \w+){0,2} (?:mat|na|nahi|band)"
        r" (?:bhej\w*|kar\w*|do|kijiye)"
    ),
    r"(?:mat|na) bhej\w*|(?:sms|message|msg)\w* band kar\w*|मत भेज|संदेश न भेज|बंद कर",
    r"(?:huwag|wag) (?:na )?(?:\w+ )?(?:mag ?)?(?:text|send|message|padala)\w*|itigil",
    r"(?:dung|ngung) (?:gui|nhan tin)",
    # Chinese, Japanese, Korean, Arabic
    (
        r"(?:不要|别|別|請勿|请勿|勿|不用|不許|不许)再?(?:给我|給我|向我|跟我)?再?(?:发|發|联系|聯繫|聯絡|联络|打扰|打擾"
        r"|寄|传|傳)"
    ),
    (
        r"停止(?:发|發|给我|給我|短信|簡訊|联系|聯繫)|退订|退訂|取消(?:订阅|訂閱)|(?:列表|名单|名單)中?(?:删除|刪除|移除)"
        r"|不(?:想|愿|願)(?:意)?再?(?:收到|接收)"
    ),
    r"配信停止|送らないで|連絡しないで|送信しないで|수신 ?거부|그만 보내|보내지 ?마|연락하지 ?마",
    r"لا (?:ترسل|تراسل|تتصل)|توقف|الغاء الاشتراك|إلغاء الاشتراك",
)
_ASKED_ABOUT = re.compile(
    r"^(?:(?:hi|hey|hello|ok|so|and|but|also|just wondering|quick question|question|sorry|oh|wait)"
    r" )*(?:how (?!dare|many|about)|what (?!the)|where |which |who |can i |could i |may i |do i "
    r"|did i |should i |am i |will i |would i |is there |is it |are there |if i |if we |do we "
    r"|can we |when do |when i |what if |does |como |wie |comment |come |hoe )"
)
_NOT_THAT = re.compile(
    r"\b(?:dont|do not|never|not|didnt|did not|wont|cant|why did you|no need to|please dont|cannot"
    r"|why have you|without) (?:ever )?(?:stop|quit|unsubscribe|opt|remove|end|cancel)\b"
    r"|\b(?:stop|unsubscribed?|opt(?:ed)? out|opt(?:ed)? me out)(?: \w+){0,4} (?:by (?:accident"
    r"|mistake)|accidentally)|\b(?:accidentally|mistakenly)(?: \w+){0,3} (?:stop|unsub|opt)"
    r"|\b(?:until|till|before|after hours|on weekends|over the weekend|at night|during)\b"
    r"|\b(?:click|tap|visit|go to|https?)\b|\bto (?:unsubscribe|opt out|stop) (?!me|getting)"
    r"|\bat \d{1,2}(?::\d\d)? ?(?:am|pm|a m|p m|oclock)\b|\bso (?:early|late)\b|\bat (?:work|dawn)$"
    r"|\bour newsletter\b|\bthe newsletter\b|\bevery (?:client|customer|user|account|contact)\b"
    r"|\b(?:stop|cancel|end) (?:payment|by|the late|auto|charging)\b"
)
_TURN = re.compile(r"\b(?:turn|switch|put)(?: \w+){0,4} back on\b|\b(?:resubscribe|opt me back)\b")
_CLAUSES = re.compile(
    r"\.(?!\w)|[!?;:\n\r,()\[\]\"“”…。！？，；]| [-–—]+ | (?:but|so|and then"
    r"|because) "
)
_FOOTER = re.compile(
    r"unsubscribe\s{0,3}(?:[:|<(\[]\s{0,3}|from .{0,60}: )(?:https?:|www\."
    r"|[\w.-]{1,80}\.\w{2,10}/|manage|here)"
)
_JOINERS = re.compile(r"['’‘`´*_~]")
_SPACES = re.compile(r"\s+")
_LATIN_MARKS = re.compile("[\u0300-\u036f]")


def keyword(body: str) -> Keyword | None:
    """The carrier keyword that this whole SMS is, whatever its case, quotes or emoji."""
    if len(body) > 200:
        return None
    letters = _letters(body)
    if not letters.removeprefix("thx").removeprefix("please") and set(body) & _STOP_SIGNS:
        return Keyword.STOP
    spelled = letters.replace(" ", "") if _SPELLED.fullmatch(letters) else letters
    return _KEYWORDS.get(spelled)


def asks_to_stop(text: str) -> bool:
    """Does the writer ask, in any words, for no more messages on this channel?

    Give it the writer's own new words (`inbound_mail.visible_text`), never the quoted ones.
    """
    if keyword(text) is Keyword.STOP:
        return True
    folded = _FOOTER.sub(" ", _folded(text[:_LONGEST]))
    if _TURN.search(folded):
        return False
    return any(_clause_asks(clause) for clause in _clauses(folded))


def _clauses(folded: str) -> list[str]:
    pieces = (_SPACES.sub(" ", piece).strip(" -") for piece in _CLAUSES.split(folded))
    return [piece for piece in pieces if piece]


def _clause_asks(clause: str) -> bool:
    if _BARE.fullmatch(clause):
        return True
    if _ASKED_ABOUT.search(clause) or _NOT_THAT.search(clause):
        return False
    return any(requests.search(clause) for requests in _requests())


@functools.cache
def _requests() -> tuple[re.Pattern[str], ...]:
    """Compiled when somebody writes: no command waits for it."""
    every = (_ENGLISH, _OTHER_TONGUES)
    return tuple(re.compile("|".join(f"(?:{one})" for one in patterns)) for patterns in every)


def _folded(text: str) -> str:
    """Lower case, without accents, apostrophes, hyphens or invisible characters."""
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    bare = _LATIN_MARKS.sub("", decomposed).replace("e-mail", "email")
    joined = _JOINERS.sub(_joined, unicodedata.normalize("NFC", bare))
    return "".join(_visible(character) for character in joined)


def _joined(match: re.Match[str]) -> str:
    return "" if match[0] in "'’‘" else " "


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cf":
        return ""
    return " " if category in {"So", "Sk", "Co", "Cn"} else character


def _letters(body: str) -> str:
    """The words alone: no case, accent, punctuation, emoji or invisible character."""
    decomposed = _LATIN_MARKS.sub("", unicodedata.normalize("NFKD", body).casefold())
    composed = unicodedata.normalize("NFC", decomposed)
    words = (
        "" if unicodedata.category(c) in {"Cf", "Mn"} else c if c.isalnum() else " "
        for c in composed
    )
    return " ".join("".join(words).split())
