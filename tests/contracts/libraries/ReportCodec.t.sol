// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ecdsa} from "contracts/libraries/Ecdsa.sol";
import {Entry, ReportCodec} from "contracts/libraries/ReportCodec.sol";

import {Test} from "../Vm.sol";

/// @notice The codec behind a call, for its calldata.
contract ReportCodecHarness {
    using ReportCodec for bytes;

    function decode(bytes calldata report, uint256 m)
        external
        pure
        returns (uint32 observedAt, bytes32 listRoot, uint64 mask, bytes memory entries)
    {
        entries = report.decode(m);
        mask = uint64(report.mask(entries));
        return (uint32(report.observedAt()), report.listRoot(), mask, entries);
    }

    function digest(bytes calldata report, uint256 m, address hub) external view returns (bytes32) {
        bytes memory entries = report.decode(m);
        bytes32 domain = ReportCodec.domainSeparator(hub);
        return ReportCodec.digest(report.observedAt(), report.listRoot(), entries, domain);
    }

    function entry(bytes calldata report, uint256 m, uint256 place)
        external
        pure
        returns (uint256 index, uint256 value, uint256 quality)
    {
        bytes memory entries = report.decode(m);
        uint256 at_ = entries.start();
        for (; place != 0; --place) {
            at_ = ReportCodec.following(at_);
        }
        Entry one = ReportCodec.entryAt(at_);
        return (one.index(), one.rawValue(), one.quality());
    }

    function signer(bytes calldata report, uint256 m, uint256 place, bytes32 hash)
        external
        pure
        returns (address)
    {
        uint256 first = report.signaturesFrom(report.decode(m));
        (bytes32 r, uint256 vs) = ReportCodec.signatureAt(first + 64 * place);
        return Ecdsa.recover(hash, r, vs);
    }
}

/// @notice The golden vectors that the Python side reads, too; eth-account made their digests.
contract ReportCodecTest is Test {
    ReportCodecHarness private codec;
    string private json;

    function setUp() external {
        codec = new ReportCodecHarness();
        json = vm.readFile("../tests/vectors/report.json");
    }

    function testVector_decode_GivesTheFields() external view {
        for (uint256 i = 0; _has(i); ++i) {
            (uint32 observedAt, bytes32 root, uint64 mask, bytes memory entries) =
                codec.decode(_bytes(i, "report"), _keys(i).length);
            assertEq(observedAt, _uint(i, "observedAt"), "observedAt");
            assertEq(root, vm.parseJsonBytes32(json, _path(i, "listRoot")), "listRoot");
            assertEq(mask, _mask(i), "mask");
            assertEq(entries, _packed(i), "entries");
        }
    }

    function testVector_listRoot_IsTheRunningHashOfTheIds() external view {
        for (uint256 i = 0; _has(i); ++i) {
            bytes32[] memory ids = vm.parseJsonBytes32Array(json, _path(i, "feedIds"));
            bytes32 root;
            for (uint256 k = 0; k < ids.length; ++k) {
                root = keccak256(abi.encode(root, ids[k]));
            }
            assertEq(root, vm.parseJsonBytes32(json, _path(i, "listRoot")), "listRoot");
        }
    }

    function testVector_digest_IsThatOfTypedData() external {
        for (uint256 i = 0; _has(i); ++i) {
            vm.chainId(uint64(_uint(i, "chainId")));
            address hub = vm.parseJsonAddress(json, _path(i, "hub"));
            assertEq(
                codec.digest(_bytes(i, "report"), _keys(i).length, hub),
                vm.parseJsonBytes32(json, _path(i, "digest")),
                "digest"
            );
        }
    }

    function testVector_signatures_AreThoseOfTheKeys() external view {
        for (uint256 i = 0; _has(i); ++i) {
            bytes32[] memory keys = _keys(i);
            bytes32 digest = vm.parseJsonBytes32(json, _path(i, "digest"));
            for (uint256 k = 0; k < keys.length; ++k) {
                assertEq(
                    codec.signer(_bytes(i, "report"), keys.length, k, digest),
                    vm.addr(uint256(keys[k])),
                    "signer"
                );
            }
        }
    }

    function testVector_entryAt_GivesEveryField() external view {
        for (uint256 i = 0; _has(i); ++i) {
            uint256 m = _keys(i).length;
            for (uint256 k = 0; vm.keyExistsJson(json, _entryPath(i, k, "index")); ++k) {
                (uint256 index, uint256 value, uint256 quality) =
                    codec.entry(_bytes(i, "report"), m, k);
                assertEq(index, _field(i, k, "index"), "index");
                assertEq(value, _field(i, k, "value"), "value");
                assertEq(quality >> 16, _field(i, k, "dispersion"), "dispersion");
                assertEq(quality >> 8 & 0xFF, _field(i, k, "sources"), "sources");
                assertEq(quality & 0xFF, _field(i, k, "flags"), "flags");
            }
        }
    }

    function test_vectors_AreFive() external view {
        assertTrue(_has(4), "five");
        assertTrue(!_has(5), "no more");
    }

    function _has(uint256 i) private view returns (bool) {
        return vm.keyExistsJson(json, _path(i, "report"));
    }

    function _path(uint256 i, string memory key) private pure returns (string memory) {
        return string.concat("$[", vm.toString(i), "].", key);
    }

    function _entryPath(uint256 i, uint256 k, string memory key)
        private
        pure
        returns (string memory)
    {
        return _path(i, string.concat("entries[", vm.toString(k), "].", key));
    }

    function _field(uint256 i, uint256 k, string memory key) private view returns (uint256) {
        return vm.parseJsonUint(json, _entryPath(i, k, key));
    }

    function _uint(uint256 i, string memory key) private view returns (uint256) {
        return vm.parseJsonUint(json, _path(i, key));
    }

    function _bytes(uint256 i, string memory key) private view returns (bytes memory) {
        return vm.parseJsonBytes(json, _path(i, key));
    }

    function _keys(uint256 i) private view returns (bytes32[] memory) {
        return vm.parseJsonBytes32Array(json, _path(i, "privateKeys"));
    }

    function _mask(uint256 i) private view returns (uint256 mask) {
        uint256[] memory positions = vm.parseJsonUintArray(json, _path(i, "positions"));
        for (uint256 k = 0; k < positions.length; ++k) {
            mask |= 1 << positions[k];
        }
    }

    function _packed(uint256 i) private view returns (bytes memory packed) {
        for (uint256 k = 0; vm.keyExistsJson(json, _entryPath(i, k, "index")); ++k) {
            packed = abi.encodePacked(
                packed,
                uint16(_field(i, k, "index")),
                uint64(_field(i, k, "value")),
                uint16(_field(i, k, "dispersion")),
                uint8(_field(i, k, "sources")),
                uint8(_field(i, k, "flags"))
            );
        }
    }
}
