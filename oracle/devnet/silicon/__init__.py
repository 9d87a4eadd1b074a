"""The emulated silicon vendor: real formats, separate root.

It stands where a hardware vendor and a machine with its chip would. Quotes, certificates and their
chain have the vendor's exact layout, so that attesters, codecs and the on-chain verifiers run
unchanged; the root is its own, made anew for each instance and kept in memory only.

**It proves nothing about any code.** Whoever reaches its socket gets any measurement signed.
Production verifiers refuse its root, and the contracts refuse to be built with it on anything but a
local chain.

- `pki.py` root, platform CA, PCK leaf with the SGX extension, TCB signer.
- `documents.py` TCB info, quoting enclaves' identities, revocation lists, evaluation numbers.
- `collateral.py` the office that publishes them.
- `quotes.py` quoting enclave, SGX quotes of versions 3 to 5, TDX quotes of versions 4 and 5.
- `nitro.py` the documents of AWS's Nitro hypervisor, from another root.
- `vendor.py` one instance of all that, and what the contracts must be built with.
- `lifecycle.py` what happens to it over time: publications, revocations, TCB recoveries, updates.
- `pcs.py` its collateral over HTTP, as the vendor serves it.
- `amd.py` the other vendor: root, authorities, chips' and providers' keys, SEV-SNP reports.
- `service.py` the instance behind a unix socket, `control.py` how its owner lets things happen;
  `__main__.py` runs it as a process.
"""

from oracle.devnet.silicon.lifecycle import Lifecycle
from oracle.devnet.silicon.service import serve_silicon
from oracle.devnet.silicon.vendor import SiliconVendor, VendorConstants, measure_enclave

__all__ = ["Lifecycle", "SiliconVendor", "VendorConstants", "measure_enclave", "serve_silicon"]
