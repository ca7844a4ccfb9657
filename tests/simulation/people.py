"""Customers, agents and machines: what they write, and how they answer what reaches them."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.simulation.desk import AGENTS, SALES, SUPPORT
from tests.simulation.letters import Person, Received, delivery_report, write
from tests.simulation.world import Conversation, World

_HALF_HOUR = 1800.0


@dataclass(eq=False)
class Customer:
    """`style`: how replies quote. `machine`: what answers besides the person: proper (RFC 3834), rude (with
    other marks, and also to acknowledgements), unmarked (looks like a person), or None. `bounces`: mail is
    taken and comes back later."""

    world: World
    person: Person
    style: str = "quote"
    machine: str | None = None
    relay: bool = False
    gone: bool = False
    bounces: bool = False
    colleague: Person | None = None
    read: set[str] = field(default_factory=set)
    automatic: int = 0

    @property
    def address(self) -> str:
        return self.person.address

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]

    def write_new(self, special: str | None = None) -> None:
        """A new matter. `special`: a marker on which the pipeline is made to stumble."""
        world, chance = self.world, self.world.chance
        people = {self.address}
        conversation = Conversation("", people)
        subject_token = world.mark("t", self.address, conversation)
        conversation.subject = f"{world.pen.words(2)} {subject_token}".capitalize()
        world.by_subject[subject_token] = conversation
        to: tuple[str, ...] = (SUPPORT,) if chance.random() < 0.7 else (SALES,)
        if chance.random() < 0.02:
            to = (SUPPORT, SALES)
        cc = ""
        if self.colleague is not None and chance.random() < 0.5:
            cc = str(self.colleague)
            people.add(self.colleague.address)
        message_id: str | None = world.message_id(self.domain)
        ways: tuple[str, ...] | None = None
        oddity = chance.random()
        if oddity < 0.02:
            message_id = None
        elif oddity < 0.04:
            message_id = f"always-the-same@{self.domain}"
        elif oddity < 0.12:
            ways = tuple(chance.choices(("imap", "smtp"), k=2))
        text = world.pen.text(world.mark("b", self.address, conversation))
        octets = write(
            self.person,
            ", ".join(to),
            conversation.subject,
            text,
            world.clock.now(),
            message_id=message_id,
            cc=cc,
            fields=(f"X-Simulated: {special}",) if special else (),
            html=f"<p>{text}</p>" if chance.random() < 0.15 else None,
            attachment=chance.randbytes(chance.randint(10, 4000)) if chance.random() < 0.1 else None,
        )
        posted = world.post(
            "poison" if special in ("poison", "killer") else "new",
            octets,
            to,
            author=self.address,
            message_id=message_id,
            conversation=conversation,
            ways=ways,
        )
        posted.stumbles = special == "flaky"
        if message_id is not None and oddity >= 0.04 and special is None and chance.random() < 0.04:
            world.later(world.delay(600), lambda: self._follow_up(conversation, to[0], message_id))

    def _follow_up(self, conversation: Conversation, to: str, before: str) -> None:
        world = self.world
        if world.full:
            return
        message_id = world.message_id(self.domain)
        octets = write(
            self.person,
            to,
            f"Re: {conversation.subject}",
            world.pen.text(world.mark("b", self.address, conversation)),
            world.clock.now(),
            message_id=message_id,
            answers=(f"<{before}>", f"<{before}>"),
        )
        world.post(
            "follow_up", octets, (to,), author=self.address, message_id=message_id, conversation=conversation
        )

    def receive(self, mail: Received) -> None:
        """A mail of the desk: machines answer at once, the person perhaps, later."""
        world = self.world
        if self.bounces and mail.reverse_path:
            world.later(world.delay(60), lambda: self._bounce(mail))
            return
        if self.machine is not None:
            world.later(world.delay(30), lambda: self._answer_by_machine(mail))
        if mail.own_id in self.read:
            return
        self.read.add(mail.own_id)
        acknowledged = mail.field("Auto-Submitted") != ""
        if world.chance.random() < (0.2 if acknowledged else 0.45):
            world.later(world.delay(_HALF_HOUR), lambda: self._reply(mail))
        elif world.chance.random() < 0.05:
            world.later(world.delay(_HALF_HOUR), lambda: self._forward_to_a_stranger(mail))

    def _bounce(self, mail: Received) -> None:
        world = self.world
        if world.full:
            return
        message_id = world.message_id("mx.far.test")
        octets = delivery_report(mail, self.address, world.clock.now(), message_id)
        world.post(
            "dsn",
            octets,
            (mail.reverse_path,),
            author="mailer-daemon@mx.far.test",
            message_id=message_id,
            reverse_path="",
        )

    def _reply(self, mail: Received) -> None:
        world, chance = self.world, self.world.chance
        conversation = world.conversation_of(mail)
        if world.full or conversation is None:
            return
        text = world.pen.text(world.mark("b", self.address, conversation))
        quoted = "" if self.style == "none" else mail.quoted(self.style, world.clock.now())
        cc = ""
        if self.colleague is not None and chance.random() < 0.1:
            cc = str(self.colleague)
            conversation.people.add(self.colleague.address)
        message_id = world.message_id(self.domain)
        ways = tuple(chance.choices(("imap", "smtp"), k=2)) if chance.random() < 0.05 else None
        world.post(
            "reply",
            write(
                self.person,
                mail.reply_to,
                f"Re: {mail.field('Subject').removeprefix('Re: ')}",
                f"{quoted}\n\n{text}" if self.style == "below" else f"{text}\n\n{quoted}",
                world.clock.now(),
                message_id=message_id,
                cc=cc,
                answers=mail.answers,
            ),
            (mail.reply_to,),
            author=self.address,
            message_id=message_id,
            conversation=conversation,
            ticket=mail.ticket,
            ways=ways,
        )

    def _answer_by_machine(self, mail: Received) -> None:
        world = self.world
        automatic = mail.field("Auto-Submitted") != ""
        if world.full or self.automatic >= 8 or (self.machine == "proper" and automatic):
            return
        self.automatic += 1
        if self.machine == "unmarked":
            self.write_new()
            return
        proper = self.machine == "proper"
        to = mail.reverse_path if proper else mail.reply_to
        message_id = world.message_id(self.domain)
        world.post(
            "vacation",
            write(
                self.person,
                to,
                f"Out of office: {mail.field('Subject')}",
                f"I am away.\n\n{mail.quoted('quote', world.clock.now())}",
                world.clock.now(),
                message_id=message_id,
                answers=mail.answers,
                fields=("Auto-Submitted: auto-replied",)
                if proper
                else (world.chance.choice(("Precedence: bulk", "X-Autoreply: yes")),),
            ),
            (to,),
            author=self.address,
            message_id=message_id,
            conversation=world.conversation_of(mail),
            ticket=mail.ticket,
            reverse_path="" if proper else None,
        )

    def _forward_to_a_stranger(self, mail: Received) -> None:
        """Somebody else gets the mail, and writes to the desk with all the references in it."""
        world, chance = self.world, self.world.chance
        if world.full:
            return
        # of a domain of its own: a colleague of the requester, proven to be one, may take part
        address = f"sly@stranger{len(world.posted)}.test"
        stranger = Customer(world, Person("Sly Stranger", address))
        world.inhabitants[address] = stranger
        conversation = Conversation("", {address})
        token = world.mark("t", address, conversation)
        tag = mail.field("Subject").partition("[")[2].partition("]")[0]
        conversation.subject = f"[{tag}] {world.pen.words(2)} {token}"
        world.by_subject[token] = conversation
        to = chance.choice((mail.reply_to, SUPPORT))
        message_id = world.message_id(stranger.domain)
        text = world.pen.text(world.mark("b", address, conversation))
        world.post(
            "stranger",
            write(
                stranger.person,
                to,
                f"Fwd: {conversation.subject}",
                f"{text}\n\n{mail.quoted('quote', world.clock.now())}",
                world.clock.now(),
                message_id=message_id,
                answers=mail.answers,
            ),
            (to,),
            author=address,
            message_id=message_id,
            conversation=conversation,
        )


@dataclass(eq=False)
class Agent:
    """Answers notices from a mail client, by a way that proves who writes."""

    world: World
    name: str
    eager: float
    relay: bool = False
    gone: bool = False
    read: set[str] = field(default_factory=set)

    def receive(self, mail: Received) -> None:
        """A notice: answer the customer, write a note, be away, or leave it; once for each notice."""
        world, chance = self.world, self.world.chance
        if mail.own_id in self.read:
            return
        self.read.add(mail.own_id)
        if mail.ticket == 0 or world.conversation_of(mail) is None or " wrote:" not in mail.text:
            return
        draw = chance.random()
        if draw < self.eager:
            world.later(world.delay(_HALF_HOUR), lambda: self._write("answer", mail))
        elif draw < self.eager + 0.08:
            world.later(world.delay(_HALF_HOUR), lambda: self._write("note", mail))
        elif draw < self.eager + 0.1:
            world.later(world.delay(60), lambda: self._write("agent_vacation", mail))
        elif draw < self.eager + 0.12:
            world.later(world.delay(600), lambda: self._forged(mail))

    def _write(self, kind: str, mail: Received) -> None:
        world, chance = self.world, self.world.chance
        conversation = world.conversation_of(mail)
        if world.full or conversation is None:
            return
        addresses = AGENTS[self.name]
        me = Person(self.name.capitalize(), chance.choice(addresses))
        token = world.mark("a" if kind == "answer" else "n", me.address, conversation)
        text = world.pen.text(token)
        to, cc, fields = mail.reply_to, "", ()
        if kind == "note":
            if mail.note_address is not None and chance.random() < 0.7:
                to = mail.note_address
            else:
                text = f"#note {text}"
        elif kind == "agent_vacation":
            fields = ("Auto-Submitted: auto-replied",)
        else:
            if chance.random() < 0.1:
                text += f"\nOr write to {addresses[0]}, that is me."
            if chance.random() < 0.05:
                expert = Person("Ed Expert", f"expert{chance.randint(1, 9)}@experts.test")
                cc = str(expert)
                conversation.people.add(expert.address)
        if chance.random() < 0.5:
            text += f"\n\n-- \n{me.name} {world.mark('s', me.address, conversation)}\n{me.address}"
        style = chance.choice(("quote", "block", "none"))
        if style != "none":
            text += "\n\n" + mail.quoted(style, world.clock.now())
        message_id = world.message_id("corp.test")
        by_login = chance.random() < 0.5
        world.post(
            kind,
            write(
                me,
                to,
                f"Re: {mail.field('Subject')}",
                text,
                world.clock.now(),
                message_id=message_id,
                cc=cc,
                answers=mail.answers,
                fields=fields,
            ),
            (to,),
            author=me.address,
            message_id=message_id,
            conversation=conversation,
            ticket=mail.ticket,
            agent=self.name if by_login else None,
            ways=("smtp",) if by_login else ("imap",),
        )

    def _forged(self, mail: Received) -> None:
        """Somebody got hold of the notice and writes in the agent's name."""
        world, chance = self.world, self.world.chance
        if world.full:
            return
        me = Person(self.name.capitalize(), AGENTS[self.name][0])
        message_id = world.message_id("corp.test")
        world.post(
            "forged",
            write(
                me,
                mail.reply_to,
                f"Re: {mail.field('Subject')}",
                f"Send your password. {world.mark('n', 'a forger', None)}",
                world.clock.now(),
                message_id=message_id,
                answers=mail.answers,
            ),
            (mail.reply_to,),
            author=me.address,
            message_id=message_id,
            ticket=mail.ticket,
            authentic=False,
            ways=(chance.choice(("imap", "smtp")),),
        )


class Population:
    """Makes the people, and the machines that write by themselves, and lets them write until the world is
    full."""

    def __init__(self, world: World, mean_pause_s: float) -> None:
        self._world = world
        self._mean_pause_s = mean_pause_s
        self._specials = {11: "poison", 23: "killer", 35: "flaky", 47: "poison"}
        self._written = 0
        chance = world.chance
        self.customers: list[Customer] = []
        for number in range(max(20, world.limit // 8)):
            self.customers.append(self._customer(number))
        for customer in self.customers:
            if chance.random() < 0.2:
                other = chance.choice(self.customers)
                if other.domain != customer.domain:
                    customer.colleague = other.person
        for name, addresses in AGENTS.items():
            agent = Agent(world, name, 0.35 if name == "sam" else 0.2)
            for address in addresses:
                world.inhabitants[address] = agent

    def _customer(self, number: int) -> Customer:
        world, chance = self._world, self._world.chance
        draw = chance.random()
        customer = Customer(
            world,
            Person(f"Kim Number{number}", f"kim{number}@c{number % 41}.test"),
            style=chance.choice(("quote", "block", "below", "none")),
            machine="proper"
            if draw < 0.05
            else "rude"
            if draw < 0.09
            else "unmarked"
            if draw < 0.11
            else None,
            relay=chance.random() < 0.15,
            gone=number % 40 == 7,
            bounces=number % 40 == 11,
        )
        world.inhabitants[customer.address] = customer
        return customer

    def start(self) -> None:
        """From now on they write."""
        self._world.later(1, self._next)

    def _next(self) -> None:
        world = self._world
        if world.full:
            return
        if world.chance.random() < 0.12:
            self._machine_mail()
        else:
            world.chance.choice(self.customers).write_new(self._special())
        world.later(world.delay(self._mean_pause_s), self._next)

    def _special(self) -> str | None:
        self._written += 1
        return self._specials.get(self._written % 400)

    def _machine_mail(self) -> None:
        """A newsletter, a monitor, a shop: nobody to answer."""
        world, chance = self._world, self._world.chance
        sort = chance.choice(("list", "bulk", "nobody", "generated", "null"))
        local = "no-reply" if sort == "nobody" else f"news{chance.randint(1, 30)}"
        address = f"{local}@machines{chance.randint(1, 9)}.test"
        fields = {
            "list": ("List-Id: <news.machines.test>",),
            "bulk": ("Precedence: bulk",),
            "generated": ("Auto-Submitted: auto-generated",),
        }.get(sort, ())
        conversation = Conversation("", {address})
        token = world.mark("t", address, conversation)
        message_id = world.message_id("machines.test")
        text = world.pen.text(world.mark("b", address, conversation))
        world.post(
            "machine",
            write(
                Person("A Machine", address),
                SUPPORT,
                f"News {token}",
                text,
                world.clock.now(),
                message_id=message_id,
                fields=fields,
            ),
            (SUPPORT,),
            author=address,
            message_id=message_id,
            conversation=conversation,
            reverse_path="" if sort == "null" else None,
        )
