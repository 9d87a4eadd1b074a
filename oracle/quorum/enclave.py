"""A second connection to the enclave, so that peers do not wait behind a running round."""

import asyncio

from enclave.domain import wire
from oracle.enclave_link import EnclaveClient, EnclaveLost


class QuorumEnclave:
    """Connects when first needed, and again after the connection broke."""

    def __init__(self, address: str, signer: bytes) -> None:
        """Set up.

        Args:
            address: Where the enclave listens, `unix:PATH` or `vsock:CID:PORT`.
            signer: Of this enclave, 20 bytes; another one that listens there is not taken.
        """
        self.signer = signer
        self._address = address
        self._client: EnclaveClient | None = None
        self._connecting = asyncio.Lock()
        self._is_closed = False

    async def observe(self, request: wire.Observe) -> wire.SignedObservation:
        """See the operation; a refusal is raised as its own class."""
        client = await self._connected()
        try:
            return await client.observe(request)
        except EnclaveLost:
            await self._drop(client)
            raise

    async def cosign(self, request: wire.Cosign) -> wire.CosignResult:
        """See the operation; a refusal is raised as its own class."""
        client = await self._connected()
        try:
            return await client.cosign(request)
        except EnclaveLost:
            await self._drop(client)
            raise

    async def close(self) -> None:
        """Close for good."""
        self._is_closed = True
        if self._client is not None:
            await self._drop(self._client)

    async def _connected(self) -> EnclaveClient:
        async with self._connecting:
            if self._is_closed:
                raise EnclaveLost("the enclave has ended")
            if self._client is None:
                client = await EnclaveClient.connect(self._address)
                try:
                    hello = await client.hello()
                    if hello.signer != self.signer:
                        raise EnclaveLost("another enclave listens there")
                except BaseException:
                    await client.close()
                    raise
                self._client = client
            return self._client

    async def _drop(self, client: EnclaveClient) -> None:
        if self._client is client:
            self._client = None
        await client.close()
