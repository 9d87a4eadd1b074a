// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDcapVerifier} from "../interfaces/IDcapVerifier.sol";
import {CallData} from "./CallData.sol";

/// @notice What helps to verify a quote: which machine made it, and the part of the collateral's
///         tables that concerns it. Nothing here proves anything.
/// @dev `machine (138) | uint32 number of the TCB info | uint32 number of the QE identity | QE
///      identity (74) | items`, an item being `uint16 length | bytes`. A machine is `x (32) | y
///      (32) | CA's id (32) | PPID (16) | FMSPC (6) | PCE id (2) | uint16 PCESVN | components
///      (16)`. Numbers are big-endian. The items, nothing after the last:
///
///      1. table of TCB evaluation data numbers as in the event; empty when it is not shown
///      2. proof of the QE's level (`TcbProof`)   3. its advisories: the JSON list's content
///      4. proof of the platform's level          5. its advisories
///      6. TDX: proof of the module               7. its advisories
///      8. to 11. TD 1.5 whose TEE_TCB_SVN2 differs from TEE_TCB_SVN: 4. to 7. once more, with it
///
///      Shared with `oracle/attestation/codecs/dcap_hints.py`.
library DcapHints {
    uint256 private constant MACHINE = 138;
    uint256 private constant CA_ID = 64;
    uint256 private constant PPID = 96;
    uint256 private constant FMSPC = 112;
    uint256 private constant PCE = 118;
    uint256 private constant COMPONENTS = 122;
    uint256 private constant ITEMS = 220;
    uint256 private constant NUMBERS = MACHINE;
    uint256 private constant QE_IDENTITY = 146;
    uint256 private constant LENGTH = 2;

    /// @notice The machine's part.
    function machine(bytes calldata hints) internal pure returns (bytes calldata) {
        return CallData.part(hints, 0, MACHINE);
    }

    /// @notice TCB evaluation data numbers of the TCB info and of the QE identity.
    function numbers(bytes calldata hints) internal pure returns (uint32 tcb, uint32 qe) {
        return (CallData.u32(hints, NUMBERS), CallData.u32(hints, NUMBERS + 4));
    }

    /// @notice Which CA issued the machine's PCK certificate.
    function caId(bytes calldata hints) internal pure returns (bytes32) {
        return CallData.word(hints, CA_ID);
    }

    /// @notice The platform's provisioning id.
    function ppid(bytes calldata hints) internal pure returns (bytes16) {
        return CallData.b16(hints, PPID);
    }

    /// @notice Family, model, stepping, platform type, custom SKU.
    function fmspc(bytes calldata hints) internal pure returns (bytes6) {
        return CallData.b6(hints, FMSPC);
    }

    /// @notice Id and version of the provisioning certification enclave.
    function pce(bytes calldata hints) internal pure returns (bytes2 id, uint16 svn) {
        return (CallData.b2(hints, PCE), CallData.u16(hints, PCE + 2));
    }

    /// @notice Versions of the platform's 16 TCB components.
    function components(bytes calldata hints) internal pure returns (bytes16) {
        return CallData.b16(hints, COMPONENTS);
    }

    /// @notice The QE identity; layout in `ParsedQeIdentity`.
    function identity(bytes calldata hints) internal pure returns (bytes calldata) {
        return CallData.part(hints, QE_IDENTITY, ITEMS - QE_IDENTITY);
    }

    /// @notice All of the items. Refuses hints that end before them, so that the others need not.
    function items(bytes calldata hints) internal pure returns (bytes calldata) {
        require(hints.length >= ITEMS, IDcapVerifier.DcapVerifier_HintsLength(hints.length, ITEMS));
        return CallData.from(hints, ITEMS);
    }

    /// @notice Take the first item.
    /// @param rest The items that are left.
    /// @return item Its bytes.
    /// @return The items behind it.
    function take(bytes calldata rest) internal pure returns (bytes calldata item, bytes calldata) {
        unchecked {
            // Without the two bytes of the length, that is any number, and more than there is.
            uint256 size = CallData.u16(rest, 0);
            uint256 end = LENGTH + size;
            if (rest.length < end) {
                if (rest.length < LENGTH) end = LENGTH;
                revert IDcapVerifier.DcapVerifier_HintsLength(rest.length, end);
            }
            return (CallData.part(rest, LENGTH, size), CallData.from(rest, end));
        }
    }

    /// @notice There must be no item left.
    function finish(bytes calldata rest) internal pure {
        require(rest.length == 0, IDcapVerifier.DcapVerifier_HintsLeft(rest.length));
    }
}
