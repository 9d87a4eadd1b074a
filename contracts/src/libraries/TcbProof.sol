// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CallData} from "./CallData.sol";
import {QeIdentity} from "./QeIdentity.sol";
import {TcbInfo} from "./TcbInfo.sol";
import {TcbLevels} from "./TcbLevels.sol";

/// @notice Proofs against the digests of `IIntelCollateral`: the first level that is met.
/// @dev A proof of a level is `levels, in order, up to the one that is met | root of the rest (32)`;
///      the root of nothing is zero. None can show another level: what is before it must be shown
///      and must not be met.
library TcbProof {
    uint256 private constant ROOT = 32;
    /// @dev A module that another is behind: its head and the root of its levels.
    uint256 private constant SKIPPED = TcbInfo.MODULE_HEAD + 32;
    uint256 private constant EVEN =
        0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff;
    uint256 private constant CARRY =
        0x0100010001000100010001000100010001000100010001000100010001000100;

    /// @notice The proof is not at least one level and a root.
    error TcbProof_Length(uint256 seen, uint256 wantedEach);
    /// @notice What is shown is not what was committed to.
    error TcbProof_Commitment(bytes16 seen, bytes16 wanted);
    /// @notice A level before the last one shown is met.
    error TcbProof_NotTheFirst(uint256 index);
    /// @notice The last level shown is not met, and the table goes on.
    error TcbProof_NotMet(uint256 index);
    /// @notice No level of the table is met.
    error TcbProof_NoLevel(uint256 levels);
    /// @notice The module shown is another.
    error TcbProof_Module(uint8 seen, uint8 wanted);

    /// @notice The first platform level that is met in every version.
    /// @param components 16 SGX versions, the first in the highest byte, then 16 TDX versions; zeros
    ///        for SGX.
    /// @param pceSvn Version of the provisioning certification enclave.
    /// @return status One of `TcbStatus`.
    /// @return advisories keccak256 of the JSON list between its brackets; 0 when it is empty.
    /// @return root Root of the platform levels that the proof is of.
    function platform(bytes calldata proof, bytes32 components, uint16 pceSvn)
        internal
        pure
        returns (uint8 status, bytes32 advisories, bytes32 root)
    {
        uint256 size = TcbInfo.PLATFORM_LEVEL;
        uint256 last = _last(proof, size);
        unchecked {
            for (uint256 start; start <= last; start += size) {
                bool isMet = covers(components, CallData.word(proof, start))
                    && pceSvn >= CallData.u16(proof, start + 32);
                _requireFirst(start, size, last, isMet, proof);
            }
            (status, advisories) = _grade(proof, last + 32);
        }
        root = _root(proof, size, last);
    }

    /// @notice The first level of one security version that is met.
    /// @return status One of `TcbStatus`.
    /// @return advisories keccak256 of the JSON list between its brackets; 0 when it is empty.
    /// @return root Root of the levels that the proof is of.
    function svn(bytes calldata proof, uint16 isvSvn)
        internal
        pure
        returns (uint8 status, bytes32 advisories, bytes32 root)
    {
        uint256 size = TcbLevels.SVN_LEVEL;
        uint256 last = _last(proof, size);
        unchecked {
            for (uint256 start; start <= last; start += size) {
                bool isMet = isvSvn >= CallData.u16(proof, start);
                _requireFirst(start, size, last, isMet, proof);
            }
        }
        (status, advisories) = _grade(proof, last);
        root = _root(proof, size, last);
    }

    /// @notice A TDX module and the first of its levels that is met.
    /// @dev A proof is `uint8 skipped | skipped × (head (65) | root of its levels (32)) | head (65)
    ///      | root of the modules behind it (32) | proof of its level`; the last is empty for id 0,
    ///      `tdxModule`, which has no levels.
    /// @param id Major version of the module; 0 for those before TDX 1.5.
    /// @param isvSvn Minor version of the module.
    /// @return head `uint8 id | MRSIGNER (48) | attributes (8) | mask (8)`.
    /// @return status One of `TcbStatus`.
    /// @return advisories keccak256 of the JSON list between its brackets; 0 when it is empty.
    /// @return root Root of the modules that the proof is of.
    function module(bytes calldata proof, uint8 id, uint16 isvSvn)
        internal
        pure
        returns (bytes calldata head, uint8 status, bytes32 advisories, bytes32 root)
    {
        require(proof.length > 0, TcbProof_Length(proof.length, SKIPPED));
        uint256 start;
        unchecked {
            start = 1 + uint256(CallData.u8(proof, 0)) * SKIPPED;
            require(proof.length >= start + SKIPPED, TcbProof_Length(proof.length, SKIPPED));
            head = CallData.part(proof, start, TcbInfo.MODULE_HEAD);
            require(CallData.u8(head, 0) == id, TcbProof_Module(CallData.u8(head, 0), id));
            if (id != 0) {
                (status, advisories, root) = svn(CallData.from(proof, start + SKIPPED), isvSvn);
            } else {
                require(
                    proof.length == start + SKIPPED, TcbProof_Length(proof.length, start + SKIPPED)
                );
            }
            root = keccak256(
                bytes.concat(head, root, CallData.word(proof, start + TcbInfo.MODULE_HEAD))
            );
            for (; start > 1; start -= SKIPPED) {
                root = CallData.keccakWith(CallData.part(proof, start - SKIPPED, SKIPPED), root);
            }
        }
    }

    /// @notice The roots are those of a TCB info.
    /// @param modulesRoot 0 for SGX.
    function requireTcbInfo(
        bytes16 committed,
        bytes2 pceId,
        bytes32 modulesRoot,
        bytes32 levelsRoot
    ) internal pure {
        bytes16 seen = TcbInfo.digest(pceId, modulesRoot, levelsRoot);
        require(seen == committed, TcbProof_Commitment(seen, committed));
    }

    /// @notice Identity and root are those of a quoting enclave's identity.
    /// @param identity 74 bytes; layout in `ParsedQeIdentity`.
    function requireQeIdentity(bytes16 committed, bytes calldata identity, bytes32 levelsRoot)
        internal
        pure
    {
        require(
            identity.length == QeIdentity.IDENTITY,
            TcbProof_Length(identity.length, QeIdentity.IDENTITY)
        );
        bytes16 seen = bytes16(CallData.keccakWith(identity, levelsRoot));
        require(seen == committed, TcbProof_Commitment(seen, committed));
    }

    /// @notice Whether each byte of `a` is at least that of `b`.
    function covers(bytes32 a, bytes32 b) internal pure returns (bool) {
        unchecked {
            // In each 16 bits a borrow clears the carry.
            uint256 even = ((uint256(a) & EVEN) | CARRY) - (uint256(b) & EVEN);
            uint256 odd = ((uint256(a) >> 8 & EVEN) | CARRY) - (uint256(b) >> 8 & EVEN);
            return even & odd & CARRY == CARRY;
        }
    }

    /// @dev Where the last level of a proof begins.
    function _last(bytes calldata proof, uint256 size) private pure returns (uint256) {
        uint256 length = proof.length;
        require(length >= size + ROOT, TcbProof_Length(length, size));
        unchecked {
            require((length - ROOT) % size == 0, TcbProof_Length(length, size));
            return length - ROOT - size;
        }
    }

    /// @param start Of a level of `size` bytes; the last begins at `last`.
    function _requireFirst(
        uint256 start,
        uint256 size,
        uint256 last,
        bool isMet,
        bytes calldata proof
    ) private pure {
        if (start < last) {
            require(!isMet, TcbProof_NotTheFirst(start / size));
        } else if (!isMet) {
            bool isWhole = CallData.word(proof, last + size) == 0;
            require(!isWhole, TcbProof_NoLevel(start / size + 1));
            revert TcbProof_NotMet(start / size);
        }
    }

    /// @param start Of what follows the component versions in a level.
    function _grade(bytes calldata proof, uint256 start) private pure returns (uint8, bytes32) {
        unchecked {
            return (CallData.u8(proof, start + 2), CallData.word(proof, start + 8));
        }
    }

    function _root(bytes calldata proof, uint256 size, uint256 last)
        private
        pure
        returns (bytes32 root)
    {
        assembly ("memory-safe") {
            let scratch := mload(0x40)
            let level := add(proof.offset, last)
            root := calldataload(add(level, size))
            for {} iszero(lt(level, proof.offset)) { level := sub(level, size) } {
                calldatacopy(scratch, level, size)
                mstore(add(scratch, size), root)
                root := keccak256(scratch, add(size, 0x20))
            }
        }
    }
}
