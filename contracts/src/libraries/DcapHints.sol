// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDcapVerifier} from "../interfaces/IDcapVerifier.sol";

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
    uint256 private constant PCE_ID = 118;
    uint256 private constant ITEMS = 220;
    uint256 private constant NUMBERS = MACHINE;
    uint256 private constant QE_IDENTITY = 146;
    uint256 private constant LENGTH = 2;

    /// @notice The machine's part. Whoever asks first for it may ask for the others.
    function machine(bytes calldata hints) internal pure returns (bytes calldata) {
        require(hints.length >= ITEMS, IDcapVerifier.DcapVerifier_HintsLength(hints.length, ITEMS));
        return hints[:MACHINE];
    }

    /// @notice TCB evaluation data numbers of the TCB info and of the QE identity.
    function numbers(bytes calldata hints) internal pure returns (uint32 tcb, uint32 qe) {
        uint64 both = uint64(bytes8(hints[NUMBERS:QE_IDENTITY]));
        // forge-lint: disable-next-line(unsafe-typecast) the low half
        return (uint32(both >> 32), uint32(both));
    }

    /// @notice Which CA issued the machine's PCK certificate.
    function caId(bytes calldata machine_) internal pure returns (bytes32) {
        return bytes32(machine_[CA_ID:PPID]);
    }

    /// @notice The platform's provisioning id.
    function ppid(bytes calldata machine_) internal pure returns (bytes16) {
        return bytes16(machine_[PPID:FMSPC]);
    }

    /// @notice Family, model, stepping, platform type, custom SKU.
    function fmspc(bytes calldata machine_) internal pure returns (bytes6) {
        return bytes6(machine_[FMSPC:PCE_ID]);
    }

    /// @notice The QE identity; layout in `ParsedQeIdentity`.
    function identity(bytes calldata hints) internal pure returns (bytes calldata) {
        return hints[QE_IDENTITY:ITEMS];
    }

    /// @notice All of the items.
    function items(bytes calldata hints) internal pure returns (bytes calldata) {
        return hints[ITEMS:];
    }

    /// @notice Take the first item.
    /// @param rest The items that are left.
    /// @return item Its bytes.
    /// @return The items behind it.
    function take(bytes calldata rest) internal pure returns (bytes calldata item, bytes calldata) {
        uint256 end = LENGTH;
        if (rest.length >= LENGTH) end += uint16(bytes2(rest[:LENGTH]));
        require(rest.length >= end, IDcapVerifier.DcapVerifier_HintsLength(rest.length, end));
        return (rest[LENGTH:end], rest[end:]);
    }

    /// @notice There must be no item left.
    function finish(bytes calldata rest) internal pure {
        require(rest.length == 0, IDcapVerifier.DcapVerifier_HintsLeft(rest.length));
    }
}
