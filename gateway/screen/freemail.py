"""Mail providers at which strangers share a domain: to be authenticated there says nothing about belonging
together."""

PROVIDERS = frozenset(
    # a list of words reads better than a list of strings
    """gmail.com googlemail.com outlook.com outlook.fr outlook.de hotmail.com hotmail.co.uk hotmail.fr
    hotmail.it live.com msn.com yahoo.com yahoo.co.uk yahoo.fr yahoo.de yahoo.it yahoo.es yahoo.co.jp
    ymail.com aol.com icloud.com me.com mac.com proton.me protonmail.com pm.me tutanota.com tuta.com
    fastmail.com zoho.com mail.com email.com gmx.com gmx.net gmx.de gmx.at gmx.ch web.de t-online.de
    freenet.de orange.fr wanadoo.fr free.fr laposte.net sfr.fr libero.it virgilio.it tiscali.it tin.it
    alice.it seznam.cz email.cz centrum.cz post.cz atlas.cz volny.cz azet.sk zoznam.sk centrum.sk
    post.sk pobox.sk abv.bg mail.bg dir.bg siol.net mail.ru bk.ru inbox.ru list.ru yandex.ru yandex.com
    ya.ru rambler.ru ukr.net i.ua meta.ua wp.pl o2.pl onet.pl op.pl interia.pl gazeta.pl poczta.fm
    freemail.hu citromail.hu indamail.hu sapo.pt uol.com.br bol.com.br terra.com.br qq.com 163.com
    126.com sina.com naver.com daum.net comcast.net verizon.net att.net btinternet.com sky.com
    virginmedia.com telenet.be skynet.be ziggo.nl kpnmail.nl xs4all.nl""".split()  # noqa: SIM905
)
