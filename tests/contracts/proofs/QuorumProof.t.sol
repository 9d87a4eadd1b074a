// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ecdsa} from "contracts/libraries/Ecdsa.sol";
import {HubTable, LimitsRow, SignerRow} from "contracts/libraries/HubTable.sol";
import {Quorum} from "contracts/libraries/Quorum.sol";
import {ReportCodec} from "contracts/libraries/ReportCodec.sol";
import {HubWord} from "contracts/types/HubWord.sol";

import {Proof} from "./Proof.sol";

/// @notice Quorum and unique seats: `Quorum.verify` takes exactly what the rules, written out one after the
///         other, take.
/// @dev For every digest, signature, expiry and block time below 2^40 - 1. Bounded to a set of 2 seats (4 positions, the
///      last of them empty), masks of these and the position beyond, m of 1 and 2. `ecrecover` is any
///      function.
contract QuorumProof is Proof {
    uint256 private constant POSITIONS = 4;
    uint256 private constant EMPTY = 3;
    uint256 private constant MASKS = 17;
    uint256 private constant FIRST_OF_BOTH_SEATS = 5;
    /// @dev As `Vendor`: unknown, and four known.
    uint256 private constant VENDORS = 5;

    /// @dev What a position holds; the signer of position p is p + 1.
    struct Position {
        uint40 expiresAt;
        uint8 vendor;
        uint8 tier;
    }

    struct Signature {
        bytes32 r;
        uint256 vs;
    }

    function verify(bytes calldata report, bytes32 digest, bytes memory rows, HubWord word)
        external
        view
        returns (uint256)
    {
        bytes memory entries = ReportCodec.decode(report, word.m());
        return Quorum.verify(report, entries, digest, rows, word);
    }

    function check_verify_OneSigner(
        uint40[4] memory expiries,
        Signature memory given,
        bytes32 digest,
        uint64 mask,
        uint40 time
    ) public {
        _warp(time);
        Signature[] memory signatures = new Signature[](1);
        signatures[0] = given;
        _assertRules(expiries, signatures, digest, _each(mask, MASKS));
    }

    function check_verify_TwoSigners(
        uint40[4] memory expiries,
        Signature[2] memory given,
        bytes32 digest,
        uint64 mask,
        uint40 time
    ) public {
        _warp(time);
        Signature[] memory signatures = new Signature[](2);
        (signatures[0], signatures[1]) = (given[0], given[1]);
        _assertRules(expiries, signatures, digest, _each(mask, MASKS));
    }

    /// @notice Of two signers, d = 2 takes those of two known vendors; the weakest tier is the larger.
    /// @dev Each vendor there is; for the first seat tiers 1 and 4, for the second 2.
    function check_verify_CountsKnownVendorsOnce(
        uint8[2] memory vendors,
        bool isFirstWeaker,
        Signature[2] memory given,
        bytes32 digest
    ) public {
        vm.warp(0);
        Position[4] memory set;
        Signature[] memory signatures = new Signature[](2);
        for (uint256 i = 0; i < 2; ++i) {
            signatures[i] = given[i];
            set[2 * i] = Position({
                expiresAt: 1,
                vendor: uint8(_each(vendors[i], VENDORS)),
                tier: i == 1 ? 2 : isFirstWeaker ? 4 : 1
            });
            vm.assume(_sOf(given[i]) <= Ecdsa.MAX_S);
            vm.assume(_recover(given[i], digest) == _signer(2 * i));
        }
        (bool isTaken, uint256 weakest) = _verify(set, signatures, digest, FIRST_OF_BOTH_SEATS, 2);
        (uint256 one, uint256 other) = (set[0].vendor, set[2].vendor);
        assert(isTaken == (one != 0 && other != 0 && one != other));
        if (!isTaken) return;
        assert(weakest == (isFirstWeaker ? 4 : 2));
    }

    /// @dev Reports hold seconds of 32 bits, so the last second that 40 bits can name is of no use to them.
    function _warp(uint40 time) private {
        vm.assume(time != type(uint40).max);
        vm.warp(time);
    }

    function _assertRules(
        uint40[4] memory expiries,
        Signature[] memory signatures,
        bytes32 digest,
        uint256 mask
    ) private {
        Position[4] memory set;
        for (uint256 i = 0; i < EMPTY; ++i) {
            set[i] = Position({expiresAt: expiries[i], vendor: 1, tier: 1});
        }
        (bool isTaken,) = _verify(set, signatures, digest, mask, 1);
        assert(isTaken == _isRight(set, signatures, digest, mask));
    }

    /// @dev The rules.
    function _isRight(
        Position[4] memory set,
        Signature[] memory signatures,
        bytes32 digest,
        uint256 mask
    ) private view returns (bool) {
        if (mask >= 1 << POSITIONS) return false;
        uint256 used = 0;
        for (uint256 position = 0; position < POSITIONS; ++position) {
            if (mask >> position & 1 == 0) continue;
            bool isSecondOfSeat = position % 2 == 1 && mask >> (position - 1) & 1 == 1;
            if (isSecondOfSeat || position == EMPTY || used == signatures.length) return false;
            if (block.timestamp >= set[position].expiresAt) return false;
            if (_sOf(signatures[used]) > Ecdsa.MAX_S) return false;
            if (_recover(signatures[used], digest) != _signer(position)) return false;
            ++used;
        }
        return used == signatures.length;
    }

    function _verify(
        Position[4] memory set,
        Signature[] memory signatures,
        bytes32 digest,
        uint256 mask,
        uint256 d
    ) private returns (bool isTaken, uint256 weakest) {
        HubWord word = HubWord.wrap(0).withTable(address(1), POSITIONS / 2, 0)
            .withConfig(signatures.length, d, 1, 0);
        bytes memory report =
            abi.encodePacked(uint8(1), uint32(0), bytes32(0), uint16(1), bytes14(0), uint64(mask));
        for (uint256 i = 0; i < signatures.length; ++i) {
            report = abi.encodePacked(report, signatures[i].r, signatures[i].vs);
        }
        bytes memory result;
        (isTaken, result) =
            address(this).call(abi.encodeCall(this.verify, (report, digest, _rows(set), word)));
        if (isTaken) weakest = abi.decode(result, (uint256));
    }

    function _rows(Position[4] memory set) private pure returns (bytes memory) {
        SignerRow[] memory signers = new SignerRow[](POSITIONS);
        for (uint256 i = 0; i < POSITIONS; ++i) {
            if (i == EMPTY) continue;
            signers[i] = SignerRow.wrap(
                uint256(uint160(_signer(i))) << 48 | uint256(set[i].expiresAt) << 8
                    | uint256(set[i].vendor) << 4 | set[i].tier
            );
        }
        return HubTable.encode(signers, new LimitsRow[](0), 0);
    }

    function _signer(uint256 position) private pure returns (address) {
        return address(uint160(position + 1));
    }

    function _sOf(Signature memory signature) private pure returns (uint256) {
        return signature.vs & ~(uint256(1) << 255);
    }

    function _recover(Signature memory signature, bytes32 digest) private pure returns (address) {
        uint8 v = signature.vs >> 255 == 1 ? 28 : 27;
        return ecrecover(digest, v, signature.r, bytes32(_sOf(signature)));
    }
}
