"""Texts of many kinds, made from what is on any machine: the standard library, generators, a few own sentences."""

import base64
import inspect
import json
import random
import tarfile
import textwrap
import unicodedata
import uuid
from argparse import ArgumentParser
from collections.abc import Iterator
from pydoc_data.topics import topics

_LANGUAGES = {
    "chinese": (
        ""
        "代理在回答之前会先阅读全部工具的结果，然后决定下一步做什么。如果预算不够，它就把早先的讨论缩短成几句话，但绝不会丢掉"
        ""
        "用户最初的要求。今天早上仓库里来了三十箱苹果，其中两箱已经压坏了，需要退回给供应商。请检查配置文件中的端口号，然后再次"
        ""
        "运行测试，看看问题是否仍然存在。河边的小路很安静，只有风吹过竹林的声音。我们计划明年夏天去云南旅行，顺便拜访几位老朋友。"
    ),
    "cyrillic": (
        "Перед ответом агент читает результаты всех инструментов и решает, что делать дальше. Если "
        "бюджета не хватает, "
        "ранние обсуждения сжимаются до нескольких фраз, но первая просьба пользователя сохраняется "
        "полностью. Утром на "
        "склад привезли тридцать ящиков яблок, два из них повреждены и вернутся поставщику. Проверьте номер порта в "
        "настройках и снова запустите тесты. На тихой тропинке у реки слышно только, как ветер шумит в камышах. "
    ),
    "japanese": (
        ""
        "エージェントは回答する前にすべてのツールの結果を読み、次に何をするかを決めます。予算が足りないときは、以前の議論を数行に"
        ""
        "縮めますが、利用者の最初の依頼は必ず残します。今朝、倉庫にりんごが三十箱届きましたが、二箱は傷んでいたので返品します。"
    ),
    "german": (
        "Bevor der Agent antwortet, liest er die Ergebnisse aller Werkzeuge und entscheidet, was als "
        "Nächstes zu tun ist. "
        "Reicht das Budget nicht aus, werden frühere Gespräche auf wenige Sätze gekürzt, aber nie der erste Auftrag. "
        "Heute Morgen kamen dreißig Kisten Äpfel im Lager an; zwei waren beschädigt und gehen an den "
        "Lieferanten zurück. "
    ),
    "french": (
        "Avant de répondre, l'agent lit les résultats de tous les outils et décide de la suite. Si le "
        "budget ne suffit pas, "
        "les échanges anciens sont réduits à quelques phrases, mais jamais la première demande. Ce "
        "matin, trente caisses de "
        "pommes sont arrivées à l'entrepôt ; deux étaient abîmées et repartiront chez le fournisseur. "
    ),
    "arabic": (
        "قبل أن يجيب يقرأ الوكيل نتائج جميع الأدوات ثم يقرر الخطوة التالية. وإذا لم تكف الميزانية فإنه "
        "يختصر النقاش القديم في "
        "بضع جمل، لكنه لا يحذف طلب المستخدم الأول أبدا. وصلت هذا الصباح ثلاثون صندوقا من التفاح إلى المستودع. "
    ),
    "korean": (
        "에이전트는 답하기 전에 모든 도구의 결과를 읽고 다음에 할 일을 정합니다. 예산이 모자라면 앞선 "
        "논의를 몇 문장으로 줄이지만 "
        "사용자의 첫 요청은 절대로 버리지 않습니다. 오늘 아침 창고에 사과 서른 상자가 들어왔는데 두 "
        "상자는 상해서 돌려보냅니다. "
    ),
}

SENTENCES = {
    "greek": (
        "Πριν απαντήσει, ο πράκτορας διαβάζει τα αποτελέσματα όλων των "
        "εργαλείων και αποφασίζει τι θα κάνει. Το πρωί ήρθαν τριάντα κιβώτια "
        "μήλα στην αποθήκη."
    ),
    "hebrew": (
        "לפני שהוא עונה, הסוכן קורא את תוצאות כל הכלים ומחליט מה לעשות אחר כך. הבוקר הגיעו למחסן שלושים ארגזי תפוחים."
    ),
    "hindi": (
        "उत्तर देने से पहले एजेंट सभी औज़ारों के परिणाम पढ़ता है और तय करता है कि आगे क्या करना है। आज सुबह गोदाम में सेब के तीस डिब्बे आए।"
    ),
    "bengali": (
        "উত্তর দেওয়ার আগে এজেন্ট সব সরঞ্জামের ফলাফল পড়ে এবং ঠিক করে এরপর কী করতে হবে। আজ সকালে গুদামে ত্রিশ বাক্স আপেল এসেছে।"
    ),
    "tamil": (
        "பதில் சொல்வதற்கு முன் முகவர் எல்லா கருவிகளின் முடிவுகளையும் படித்து "
        "அடுத்து என்ன செய்வது என்று முடிவு செய்கிறார். இன்று காலை முப்பது "
        "பெட்டி ஆப்பிள்கள் வந்தன."
    ),
    "telugu": ("సమాధానం చెప్పే ముందు ఏజెంట్ అన్ని సాధనాల ఫలితాలను చదివి తరువాత ఏమి చేయాలో నిర్ణయిస్తాడు."),
    "thai": ("ก่อนตอบ ตัวแทนจะอ่านผลลัพธ์ของเครื่องมือทั้งหมดแล้วตัดสินใจว่าจะทำอะไรต่อไป เช้านี้มีแอปเปิ้ลสามสิบกล่องมาถึงคลังสินค้า"),
    "georgian": ("პასუხის გაცემამდე აგენტი კითხულობს ყველა ხელსაწყოს შედეგს და წყვეტს, რა გააკეთოს შემდეგ."),
    "armenian": ("Պատասխանելուց առաջ գործակալը կարդում է բոլոր գործիքների արդյունքները և որոշում, թե ինչ անել հետո։"),
    "ukrainian": (
        "Перш ніж відповісти, агент читає результати всіх інструментів і "
        "вирішує, що робити далі. Вранці на склад привезли тридцять ящиків "
        "яблук."
    ),
    "persian": ("پیش از پاسخ دادن، عامل نتایج همه ابزارها را می‌خواند و تصمیم می‌گیرد که گام بعدی چیست."),
    "urdu": ("جواب دینے سے پہلے ایجنٹ تمام آلات کے نتائج پڑھتا ہے اور فیصلہ کرتا ہے کہ آگے کیا کرنا ہے۔"),
    "vietnamese": (
        "Trước khi trả lời, tác nhân đọc kết quả của mọi công cụ rồi quyết định"
        " bước tiếp theo. Sáng nay ba mươi thùng táo đã đến kho."
    ),
    "gujarati": ("જવાબ આપતા પહેલાં એજન્ટ બધાં સાધનોનાં પરિણામ વાંચે છે અને આગળ શું કરવું તે નક્કી કરે છે."),
    "russian caps": ("ПЕРЕД ОТВЕТОМ АГЕНТ ЧИТАЕТ РЕЗУЛЬТАТЫ ВСЕХ ИНСТРУМЕНТОВ И РЕШАЕТ, ЧТО ДЕЛАТЬ ДАЛЬШЕ."),
    "greek caps": "ΠΡΙΝ ΑΠΑΝΤΗΣΕΙ Ο ΠΡΑΚΤΟΡΑΣ ΔΙΑΒΑΖΕΙ ΤΑ ΑΠΟΤΕΛΕΣΜΑΤΑ",
    "khmer": "មុនពេលឆ្លើយ ភ្នាក់ងារអានលទ្ធផលនៃឧបករណ៍ទាំងអស់",
    "amharic": "ከመመለሱ በፊት ወኪሉ የሁሉንም መሣሪያዎች ውጤት ያነባል",
    "czech": (
        "Než agent odpoví, přečte si výsledky všech nástrojů a rozhodne se, co "
        "udělá dál. Příliš žluťoučký kůň úpěl ďábelské ódy."
    ),
    "mongolian": ("Хариулахаасаа өмнө агент бүх хэрэгслийн үр дүнг уншиж, дараа нь юу хийхээ шийддэг."),
}
"""Sentences in languages and scripts beside those of the corpora."""

REQUIRED = ("english", "code", "json", "base64", "hex", "logs", "chinese", "cyrillic", "emoji")
"""The kinds whose every chunk the estimate must not undercount by more than a tenth."""


def corpora() -> dict[str, str]:
    """Texts by kind; the same at every run."""
    r = random.Random(41)
    english = "\n".join(topics[name] for name in sorted(topics)[:40])
    return {
        "english": english,
        "code": inspect.getsource(tarfile) + inspect.getsource(textwrap) + inspect.getsource(ArgumentParser),
        "json": json.dumps([_record(r) for _ in range(150)]) + json.dumps([_record(r) for _ in range(50)], indent=2),
        "base64": base64.b64encode(r.randbytes(40_000)).decode() + base64.encodebytes(r.randbytes(20_000)).decode(),
        "hex": r.randbytes(20_000).hex() + r.randbytes(9_000).hex(" ") + r.randbytes(9_000).hex().upper(),
        "logs": "\n".join(_log_line(r) for _ in range(300)),
        "emoji": "".join(r.choices(_emoji(), k=3_000)) + " ".join(r.choices(_emoji(), k=1_000)),
        "csv": "\n".join(",".join(f"{r.uniform(-9e4, 9e4):.3f}" for _ in range(8)) for _ in range(300)),
        "capitals": english[:50_000].upper(),
    } | {kind: text * 3 for kind, text in _LANGUAGES.items()}


def chunks(text: str, count: int, seed: int) -> Iterator[str]:
    """Random chunks of 60 to 2,000 characters; the short ones scatter most, so there are more of them."""
    r = random.Random(seed)
    for _ in range(count):
        size = min(len(text), r.choice((60, 60, 80, 120, 250, 500, 2_000)))
        start = r.randint(0, len(text) - size)
        yield text[start : start + size]


def _emoji() -> list[str]:
    return [chr(code) for code in range(0x1F300, 0x1FAF9) if unicodedata.name(chr(code), "")]


def _record(r: random.Random) -> dict[str, object]:
    return {
        "orderId": r.randint(1, 10**8),
        "customer": {"name": r.choice(("Ines", "Tom", "Priya")), "mail": f"user{r.randint(1, 999)}@example.org"},
        "total": round(r.uniform(1, 2_000), 2),
        "paid": r.random() < 0.5,
        "items": [{"sku": f"AB-{r.randint(100, 999)}", "qty": r.randint(1, 9)} for _ in range(r.randint(1, 4))],
        "shippedAt": None,
        "comment": "please leave the parcel at the back door",
    }


def _log_line(r: random.Random) -> str:
    day = f"2025-{r.randint(1, 12):02}-{r.randint(1, 28):02}"
    clock = f"{r.randint(0, 23):02}:{r.randint(0, 59):02}:07,{r.randint(0, 999):03}"
    level, module = r.choice(("INFO", "WARNING", "ERROR")), r.choice(("db.pool", "http.client"))
    event = r.choice(("request done", "connection timed out", "retrying"))
    host = f"10.0.{r.randint(0, 255)}.{r.randint(0, 255)}"
    call = f"id={uuid.UUID(int=r.getrandbits(128))} host={host} ms={r.uniform(0, 900):.1f}"
    return f"{day} {clock} {level} [worker-{r.randint(1, 16)}] app.{module}: {event} {call}"
