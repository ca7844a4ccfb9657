"""Words that mail clients put around quotes and forwards, by meaning and in many languages.

The shape of a mail decides first (`quotes.py`); these words are a second witness where the shape alone is
weak. All are in casefolded form.
"""

from __future__ import annotations

import re


def _words(text: str) -> frozenset[str]:
    return frozenset(word.strip() for word in text.casefold().replace("\n", " ").split("|") if word.strip())


FROM = _words("""
    from|von|de|da|od|van|från|fra|mistä|lähettäjä|nadawca|odesílatel|odosielateľ|feladó|
    expeditor|от|от кого|від|кому от|gönderen|kimden|από|מאת|من|发件人|寄件者|寄件人|差出人|
    送信者|보낸 사람|보낸사람|จาก|dari|pengirim|từ|remitente|mittente|afzender|avsändare|
    afsender|avsender|expéditeur|remetente|absender|saatja|kellelt|no|sūtītājs|nuo|pošiljatelj|
    šalje|frá|de la|de :|ur|пошиљалац|подател|mësuesi|nga|från:|o`d|oddelenie|envoyé par|
    reply-to|responder a|antwort an|répondre à""")
SENT = _words("""
    sent|date|gesendet|datum|envoyé|envoyé le|enviado|enviado el|enviada em|enviado em|data|
    fecha|inviato|verzonden|skickat|sendt|dato|lähetetty|päivämäärä|päiväys|wysłano|
    data wysłania|odesláno|odoslané|dátum|elküldve|küldve|trimis|отправлено|дата|надіслано|
    gönderildi|gönderilme tarihi|tarih|ημερομηνία|στάλθηκε|נשלח|תאריך|تاريخ|تم الإرسال|发送时间|
    日期|寄件日期|傳送時間|送信日時|日時|日付|보낸 날짜|날짜|ส่งเมื่อ|วันที่|tanggal|dikirim|
    ngày|đã gửi|saadetud|kuupäev|nosūtīts|datums|išsiųsta|poslano|poslato|изпратено|dagsetning|
    date d'envoi|timestamp|received""")
TO = _words("""
    to|an|à|a|para|per|aan|till|til|vastaanottaja|kenelle|do|komu|pro|címzett|către|catre|кому|
    кому:|kime|alıcı|προς|אל|إلى|到|收件人|収信者|宛先|받는 사람|받는사람|ถึง|kepada|tới|đến|
    kellele|saaja|kam|kuo|za|prima|до|получател|destinatario|destinatário|destinataire|
    empfänger|odbiorca|příjemce|mottagare|modtager|mottaker|ontvanger""")
CC = _words("""
    cc|kopie|copie|copie à|copia|cópia|kopia|kopi|kopio|kopie (cc)|dw|do wiadomości|másolat|
    másolatot kap|копия|копія|bilgi|κοιν.|κοινοποίηση|עותק|نسخة|抄送|副本|参照|참조|สำเนา|
    tembusan|bcc|c/c|cc:|kópia|v kopii|kópie""")
SUBJECT = _words("""
    subject|betreff|objet|asunto|assunto|oggetto|onderwerp|ämne|emne|aihe|temat|předmět|predmet|
    tárgy|subiect|тема|konu|θέμα|נושא|الموضوع|موضوع|主题|主旨|主題|件名|제목|เรื่อง|subjek|
    perihal|chủ đề|teema|tēma|tema|sujet|naslov|zadeva|efni|относно|re|ai|přiloženo|betr.|
    betrifft""")
LABELS = FROM | SENT | TO | CC | SUBJECT

WROTE = _words("""
    wrote|writes|said|schrieb|écrit|a écrit|escribió|escreveu|ha scritto|scrisse|schreef|
    geschreven|skrev|kirjoitti|napisał|napisała|napisał(a)|pisze|napsal|napsala|napsal(a)|
    napísal|napísala|írta|a scris|написал|написала|пишет|пише|написав|написала(а)|yazdı|
    şunları yazdı|έγραψε|כתב|כתבה|كتب|写道|寫道|书き込みました|のメッセージ|のメール|님이 작성|
    작성|เขียนว่า|menulis|đã viết|viết|kirjutas|rakstīja|rašė|je napisal|je napisao|napisao|
    написа|skrifaði|idatzi zuen|va escriure|ezt írta|wrote on|написа/ла""")
SENT_FROM = tuple(
    sorted(
        _words("""
    sent from|sent via|sent with|sent by|sent using|get outlook for|von meinem|gesendet von|
    gesendet mit|diese nachricht wurde von|envoyé de|envoyé depuis|envoyé à partir|
    télécharger outlook|enviado desde|enviado de|enviado do|enviado a partir|enviado via|
    obtener outlook|obter o outlook|inviato da|scarica outlook|inviato dal|verzonden vanaf|
    verzonden met|verstuurd vanaf|verstuurd met|outlook voor|skickat från|skickades från|
    hämta outlook|sendt fra|sendt via|hent outlook|lähetetty|hanki outlook|wysłane z|wysłano z|
    pobierz outlook|odesláno z|odoslané z|posláno z|küldve|elküldve|iphone-ról küldve|
    trimis de pe|trimis de la|отправлено с|отправлено из|надіслано з|надіслано із|изпратено от|
    gönderildi|iphone'umdan gönderildi|outlook for|στάλθηκε από|נשלח מ|أرسلت من|从我的|发自我的|
    發自我的|发送自|傳送自|iphoneから送信|androidから送信|나의 iphone에서|내 iphone에서|ส่งจาก|
    dikirim dari|gửi từ|saadetud minu|nosūtīts no|išsiųsta iš|poslano z|poslano s|poslano iz|
    bidalita""")
    )
)
DEVICES = re.compile(
    r"i-?(?:phon|pad|pod)|\bmac(?:book|os)?\b|apple|android|samsung|galaxy|huawei|honor|xiaomi|redmi|"
    r"\bmi\b \d|oppo\b|vivo\b|realme|oneplus|pixel|nexus|nokia|lumia|blackberry|motorola|\bmoto\b|"
    r"xperia|\bsony|\bhtc\b|\blg\b|\bzte\b|fairphone|windows|outlook|hotmail|thunderbird|betterbird|"
    r"g-?mail|yahoo|proton|tutanota|\btuta\b|k-9|fairemail|airmail|\bspark\b|mailbird|superhuman|"
    r"mailspring|aqua ?mail|blue ?mail|mobile ?mail|mymail|webmail|mail app|mail\.(?:ru|com)|\bgmx\b|"
    r"web\.de|yandex|seznam|libero|\baol\b|zoho|hushmail|fastmail|smart ?phone|"
    r"(?:tele|mobil|my |mobile )-?(?:ph|f)one?\b|tel[eé]f|\bphone\b|handy\b|tablet|\btab\b|"
    r"mobile (?:device|phone)|mobile$|\bmobil(?:u|e|ní|en|s|es|ł)?\b|m[oó]vil\b|celular|portable|"
    r"cellulare|smarttelefon|komór|komórk|zařízení|zariadenia|urządzenia|устройства|телефон|смартфон|"
    r"mobiel|matkapuhelim|"
    r"puhelim|\bdevice\b|手机|手機|スマートフォン|携帯|휴대폰|스마트폰|모바일",
    re.IGNORECASE,
)
"""Devices and programs that mail is sent from, as their standard lines name them."""
