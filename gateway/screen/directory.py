"""Who is who: agents and queues by address. Built once per config."""

from __future__ import annotations

from gateway.mail.message import address_key
from gateway.settings.model import Agent, Queue, Settings


class Directory:
    """Look-ups over `settings`; addresses are compared folded."""

    def __init__(self, settings: Settings) -> None:
        self._agents = {
            address_key(address): agent
            for agent in settings.agents
            for address in (agent.address, *agent.aliases)
        }
        self._agents_by_name = {agent.name: agent for agent in settings.agents}
        self._queues = {address_key(a): queue for queue in settings.queues for a in queue.addresses}
        self._queues_by_name = {queue.name: queue for queue in settings.queues}
        self._desk = {address_key(settings.desk.address)}
        if settings.desk.control_address is not None:
            self._desk.add(address_key(settings.desk.control_address))
        self.default_queue = settings.queues[0]
        self._all_agents = settings.agents

    def agent_by_address(self, address: str) -> Agent | None:
        """The agent who writes from this address."""
        return self._agents.get(address_key(address))

    def agent(self, name: str) -> Agent | None:
        """The agent of this name."""
        return self._agents_by_name.get(name)

    def queue_by_address(self, address: str) -> Queue | None:
        """The queue to which customers write at this address."""
        return self._queues.get(address_key(address))

    def queue(self, name: str | None) -> Queue:
        """The queue of this name; the first one where there is none of the name (any more)."""
        return self._queues_by_name.get(name or "", self.default_queue)

    def agents_of(self, queue: Queue) -> tuple[Agent, ...]:
        """The agents who look after the queue."""
        if not queue.agents:
            return self._all_agents
        return tuple(agent for agent in self._all_agents if agent.name in queue.agents)

    def is_ours(self, address: str) -> bool:
        """Whether mail to this address comes back to the desk (signed addresses apart)."""
        key = address_key(address)
        return key in self._queues or key in self._desk

    def is_agents(self, address: str) -> bool:
        """Whether this is an agent's private address."""
        return address_key(address) in self._agents

    def private_addresses(self) -> frozenset[str]:
        """All addresses of agents, folded: none of them may reach a customer."""
        return frozenset(self._agents)
