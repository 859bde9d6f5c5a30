"""Words that the lexicon leaves out: offensive or disturbing ones, contested places, and some that are bad examples.

A short list, by stem where a stem is safe and by whole word elsewhere. It was extended until a reader of the resulting
lexicon had no further objections.
"""

from __future__ import annotations

from scribe_suite.planting.english.tags import split

#: Left out with every word that contains one of them.
_ANYWHERE = split(
    """
    kill murder terror weapon bomb missile pistol shoot bullet sniper victim violen assault assassin attack abus
    rapist porn erotic horny genital penis vagin slut whore bitch bastard fuck shit piss damn bloody idiot
    stupid moron retard cannab cocain heroin drug addict cigar tobacco alcohol drunk booze lynch nazi fasc racis
    racial ethnic jihad islam muslim christ cathol religi bibl church mosque synagog temple bishop priest
    prophet sacred divine satan demon devil heaven goddess prayer preach prison corpse cemeter funeral suicid
    death fatal deadly lethal kidnap hostage torture genocid holocaust massacre militar militia soldier invad
    invas republic democrat senat presiden minister congress politic conserv liberal socialist capitalist lesb
    virgin abort fetus womb breast tumor cancer disease plague corrupt thief theft steal stole fraud guilt cruel
    brutal savag vicious hatred ugly obes gross poop fart vomit worst nigg nuclear destroy punish execut threat
    invade betray starv suffer bleed blood wound panic
    """
)

#: Left out with every word that begins with one of them.
_AT_THE_START = split(
    """
    gun rape sex nud naked cock dick crap suck dumb fool slave slav hang hung commun jew pope saint holy hell
    god pray tomb grave die dead troop army enem elect vote tory gay homo virus crim rob evil hate fat pee fag
    tits anal anus butt ass harm hurt ruin cheat
    """
)

#: Harmless words that a stem would match.
_KEPT = split(
    """
    assistant assembly asset associate assign assume assure assess association assumption assemble assist button
    butter butterfly diet diesel father fatigue robot robin robust robe hello godfather community communicate
    communication hangar gunner assortment hungry electric electron electronic electrical electronics deadline
    harmony harmonica cocktail cockpit dickens nudge tomboy hurtle dietary
    """
)

#: Contested or hard-hit countries.
_PLACES = split(
    """
    afghanistan iraq iran syria israel palestine ukraine russia yemen sudan somalia libya myanmar taiwan belarus
    congo rwanda haiti venezuela eritrea serbia kosovo lebanon gaza crimea ethiopia mali niger burundi
    """
)

#: Shortened, foreign or ambiguous words, words of fixed phrases, and single words of the kinds above.
_OTHERS = split(
    """
    other nothing nobody sir pro ex fifth fourth sixth sixty dozen cent cents semi mama mom dad daddy babe dude
    cam demo dame ion cum cunt anti multi mid sic inter rev dub dis temp sup pip sew mar rid err psych vet bless
    bet wed nineteenth whatsoever asleep alike unlike same few several various such ago ok okay sorry martial
    amino august pacific aware afraid alive glad sonic unaware pending et homer victor martin smith jay mason
    baker miller duke earl baron colonel jury regime refugee militant radical dictator immigrant migrant ms mr
    mrs meme vibe spa fig haven mil con lad lass idol comrade caucus apparatus kitty chick widow zombie vampire
    witch liar punk cult bride orphan infant incest harem mistress bra bikini panties whisky vodka wine liquor
    beer wee hon inc ltd corp gig rep lib merry randy hardy matt mad sad crazy insane weird crippled handicapped
    lame civil legislative supreme constitutional psychotic psychiatric colonial tribal native indigenous
    aboriginal oriental exotic illegal painful terrible horrible awful tragic feminist masculine feminine
    pregnant orthodox spiritual righteous almighty legally illegally allegedly forcibly able unable certain
    available respective unlikely capable upcoming widespread goodbye lung defendant prosecutor nightmare
    disaster accident explosion beast blade penalty girlfriend boyfriend hurricane earthquake battlefield fist
    vegan kennedy serra guadalupe hiroshima pyongyang sarajevo aba jos kano perth macau suez baku kampala
    peshawar amman chad philippines google wade peter harry welsh welch hector shanghai louse lice ww mph vol
    tho app apps ceo
    """
)

_WHOLE_WORDS = frozenset(_PLACES + _OTHERS)


def is_blocked(word: str) -> bool:
    """Whether the lexicon leaves `word` out.

    Args:
        word: Lower case.
    """
    if word in _WHOLE_WORDS:
        return True
    return word not in _KEPT and (word.startswith(_AT_THE_START) or any(stem in word for stem in _ANYWHERE))
