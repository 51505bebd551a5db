"""The closed word lists that notes are made of, and the names and words that training must never see."""

from typing import Final


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


KNOWN_NAMES: Final = _words(
    """Ada Adam Aisha Alan Alice Amir Amy Ana Anton Anya Arjun Bea Bella Ben Beth Bianca Boris Bruno Cara Carlos Carol
    Cedric Chloe Clara Dan Dana Daisy David Diego Dina Dora Elena Elif Emil Emma Erik Ethan Eva Farid Fatima Felix Fiona
    Flora Frank Freya Gavin George Gina Gita Grace Greg Hana Hannah Harold Heidi Helen Henry Holly Hugo Ida Igor Ines
    Irene Isaac Ivan Jack Jade James Jana Joan Jonas Julia Kai Karim Kate Katya Keith Kevin Kim Kira Kofi Lara Laura
    Lena Leon Liam Linda Lisa Louis Lucia Luka Marco Maria Mark Martha Max Maya Mei Mike Mina Nadia Naomi Nick Nils
    Nina Noah Nora Oliver Olga Omar Oscar Otto Paul Paula Pavel Pearl Peter Petra Pia Priya Quinn Rachel Ramon Ravi
    Rita Robin Rosa Ruben Ruth Sam Samira Sara Selma Simon Sofia Stefan Steve Tara Tess Theo Tim Tina Tomas Tony Uma
    Umar Vera Victor Vince Wanda Walter Wei Wendy Willa Yan Yara Yusuf Yvonne Zara Zoe""",
)

UNSEEN_FIRST_NAMES: Final = _words(
    """Akira Bogdan Nasrin Siobhan Thabo Priyanka Wojciech Jean-Luc José Celeste Dmitri Esther Fabian Gerda Hamid Ingrid
    Joel Kenji Lorna Milos Orson Phoebe Rafael Sunita Tobias Vivian Zuzana Babajide Chiamaka Eoin Fionnuala Guillermo
    Hyejin Ikram Jovana Kwame Lakshmi Mbali Nguyen Oluwaseun Pilar Qasim Rukmini Svetlana Tendai Ulrike Vusi Xiomara
    Yevgenia Zbigniew Anneliese Beatriz Caoimhe Desmond Ezgi Björn Zoë Renée André Anne-Sophie Håkon Inês""",
)
UNSEEN_FULL_NAMES: Final = (
    "Marta Kowalska",
    "Niamh Brennan",
    "Haruki Tanaka",
    "Ewa Nowak",
    "Dele Adeyemi",
    "Tuan Pham",
    "Signe Lindqvist",
    "Paolo Ricci",
    "Ahmed Rahimi",
    "Imogen Clarke",
    "Soraya Haddad",
    "Mateusz Zielinski",
)
UNSEEN_NAMES: Final = UNSEEN_FIRST_NAMES + UNSEEN_FULL_NAMES

MODIFIERS: Final = _words(
    """account annual backup beta billing budget camera canteen client cloud conference customer data delivery design
    email energy event export factory festival finance fire fleet garden harbour health holiday import internal intranet
    invoice kitchen laptop launch legal library login logo loyalty market media mobile museum network office onboarding
    order parking partner payment payroll pension phone photo press pricing print product public quality referral
    regional research returns safety sales school search security shipping social solar staff stock storage student
    summer supplier support survey tax team test ticket training travel vendor video visitor volunteer warehouse water
    website weekly winter""",
)
NOUNS: Final = _words(
    """agenda agreement alarm analysis app archive audit badge banner bench booklet brochure budget bundle calendar
    campaign catalogue checklist contract course dashboard database desk diagram display draft estimate exhibition
    feature fence filter folder forecast form guide handbook interview inventory kiosk label layout leaflet letter
    licence list locker magazine manual map meeting memo menu migration model newsletter notice offer page panel
    permit pilot plan playlist podcast policy portal poster presentation printer process projector proposal prototype
    quiz quote record register release repair report review roadmap room roster route sample scanner schedule screen
    script server shelf shop sign slides slogan spreadsheet strategy summary switch system template tender timetable
    tool tour trial upgrade van visit webinar workshop""",
)
ADJECTIVES: Final = _words(
    "new old second third final small large draft main joint early blue red green open shared monthly first extra "
    "revised short missing current updated",
)
DETERMINERS: Final = ("the", "the", "the", "the", "the", "the", "our", "a", "their", "this")
# Real English words that no training note contains: can an item never seen be copied?
UNSEEN_MODIFIERS: Final = _words(
    "accordion bamboo cinnamon dolphin eclipse flamingo granite hazelnut iceberg jasmine kangaroo lavender mahogany "
    "nectar octagon penguin quartz raspberry saffron turmeric umbrella velvet walnut yoghurt zeppelin",
)
UNSEEN_NOUNS: Final = _words(
    "aquarium balcony canoe dungeon envelope fountain greenhouse hammock igloo jacuzzi keyhole lighthouse mattress "
    "notebook orchard pavilion quilt rucksack saxophone trampoline unicycle violin windmill xylophone yacht",
)
TAILS: Final = ("for {w}", "with {w}", "of the {k} team", "for the {k} team", "about {w}", "in {w}", "from {w}")

VERBS: Final = tuple(
    (pair.split("/")[0], pair.split("/")[1])
    for pair in _words(
        """approve/approving archive/archiving arrange/arranging book/booking build/building buy/buying
    cancel/cancelling change/changing check/checking clean/cleaning close/closing collect/collecting delay/delaying
    delete/deleting deliver/delivering draft/drafting expand/expanding extend/extending file/filing finish/finishing
    fix/fixing improve/improving install/installing launch/launching measure/measuring merge/merging migrate/migrating
    move/moving open/opening order/ordering organise/organising pause/pausing plan/planning postpone/postponing
    prepare/preparing present/presenting print/printing publish/publishing redesign/redesigning remove/removing
    rename/renaming renew/renewing repair/repairing replace/replacing reopen/reopening restart/restarting
    review/reviewing revise/revising rewrite/rewriting sell/selling send/sending share/sharing shorten/shortening
    sign/signing simplify/simplifying split/splitting submit/submitting switch/switching test/testing
    translate/translating update/updating upload/uploading write/writing""",
    )
)

MONTHS: Final = _words(
    "January February March April May June July August September October November December",
)
SHORT_MONTHS: Final = _words("Jan Feb Mar Apr Jun Jul Aug Sept Oct Nov Dec")
WEEKDAYS: Final = _words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
LOOSE_DATES: Final = (
    "tomorrow",
    "noon",
    "tonight",
    "the end of the week",
    "the end of the month",
    "the end of the year",
    "end of next week",
    "end of day",
    "next week",
    "next month",
    "midnight",
)
