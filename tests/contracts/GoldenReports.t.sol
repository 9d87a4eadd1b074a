// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAttestationRegistry} from "contracts/interfaces/IAttestationRegistry.sol";
import {FeedListing, IFeedHub, Round} from "contracts/interfaces/IFeedHub.sol";
import {IFeedVerifier} from "contracts/interfaces/IFeedVerifier.sol";
import {IImagePolicy} from "contracts/interfaces/IImagePolicy.sol";
import {IPullConsumer} from "contracts/interfaces/IPullConsumer.sol";
import {ISignerSet} from "contracts/interfaces/ISignerSet.sol";

import {Deploy} from "./Deploy.sol";
import {FeedHubSetup} from "./FeedHubSetup.sol";
import {FakeRegistry} from "./fakes/FakeRegistry.sol";

/// @notice The golden reports that Python writes and reads, byte for byte, brought to a hub that stands where they
///         say, on the chain they name, with their feeds and signers: pushed, pulled, and with every byte changed.
contract GoldenReportsTest is FeedHubSetup {
    uint256 private constant VECTORS = 5;
    /// @dev Reports up to this length have every bit flipped, longer ones a bit of every byte.
    uint256 private constant SHORT = 300;
    uint256 private constant PUSH = 1;
    uint256 private constant LIBRARY = 2;
    uint256 private constant VERIFIER = 4;
    uint256 private constant CACHED = 8;
    uint256 private constant EVERYWHERE = 15;

    string private json;
    IFeedVerifier private verifier;
    IPullConsumer private consumer;
    bytes private report;
    uint256 private entries;

    function setUp() external {
        json = vm.readFile("../tests/vectors/report.json");
    }

    function testVector_submit_LandsTheGoldenReports() external {
        uint256 before = vm.snapshotState();
        for (uint256 i = 0; i < VECTORS; ++i) {
            _build(i);
            hub.submit(report);
            for (uint256 k = 0; k < entries; ++k) {
                _compare(i, k, hub.read(uint16(_entry(i, k, "index"))));
            }
            vm.revertToState(before);
        }
    }

    function testVector_pull_VerifiesTheGoldenReports() external {
        uint256 before = vm.snapshotState();
        for (uint256 i = 0; i < VECTORS; ++i) {
            _build(i);
            for (uint256 k = 0; k < entries; ++k) {
                uint16 index = uint16(_entry(i, k, "index"));
                _compare(i, k, verifier.verify(report, index, MAX_AGE_S));
                int256 value = int256(_entry(i, k, "value"));
                assertEq(consumer.price(report, index), value, "library");
                assertEq(consumer.priceByVerifier(report, index), value, "verifier");
                int64 cached = verifier.verifyCached(report, index, MAX_AGE_S).value();
                assertEq(cached, value, "cached");
            }
            vm.revertToState(before);
        }
    }

    function testVector_everyByte_OneFeed() external {
        _refuseEveryByte(0, EVERYWHERE);
    }

    function testVector_everyByte_ThreeFeeds() external {
        _refuseEveryByte(1, EVERYWHERE);
    }

    function testVector_everyByte_EndsOfEveryRange() external {
        _refuseEveryByte(2, EVERYWHERE);
    }

    function testVector_everyByte_HundredFeedsBy13Of32_Push() external {
        _refuseEveryByte(3, PUSH);
    }

    function testVector_everyByte_HundredFeedsBy13Of19_Push() external {
        _refuseEveryByte(4, PUSH);
    }

    function testVector_everyByte_HundredFeedsBy13Of19_Library() external {
        _refuseEveryByte(4, LIBRARY);
    }

    function testVector_everyByte_HundredFeedsBy13Of19_Verifier() external {
        _refuseEveryByte(4, VERIFIER);
    }

    function testVector_everyByte_HundredFeedsBy13Of19_Cached() external {
        _refuseEveryByte(4, CACHED);
    }

    function test_vectors_AreAllThere() external view {
        assertTrue(vm.keyExistsJson(json, _path(VECTORS - 1, "report")), "five");
        assertTrue(!vm.keyExistsJson(json, _path(VECTORS, "report")), "no more");
    }

    /// @notice Change bytes of the report, from one to before another. External for its memory.
    function refuse(uint16 index, uint256 from, uint256 to, uint256 paths) external {
        bytes memory changed = report;
        uint256 bits = changed.length < SHORT ? 8 : 1;
        for (uint256 at_ = from; at_ < to; ++at_) {
            for (uint256 k = 0; k < bits; ++k) {
                bytes1 flip = bytes1(uint8(1 << (at_ + k) % 8));
                changed[at_] ^= flip;
                _refuse(changed, index, at_, paths);
                changed[at_] ^= flip;
            }
        }
    }

    /// @dev A changed bit anywhere is refused, typed, by each of the paths: push, library, verifier, and its
    ///     memory of the report unchanged.
    function _refuseEveryByte(uint256 i, uint256 paths) private {
        _build(i);
        uint16 index = uint16(_entry(i, 0, "index"));
        verifier.verifyCached(report, index, MAX_AGE_S);
        for (uint256 at_ = 0; at_ < report.length; at_ += 32) {
            uint256 to = at_ + 32 < report.length ? at_ + 32 : report.length;
            this.refuse(index, at_, to, paths);
        }
        hub.submit(report);
    }

    function _refuse(bytes memory changed, uint16 index, uint256 at_, uint256 paths) private {
        if (paths & PUSH != 0) {
            _refuse(address(hub), abi.encodeCall(IFeedHub.submit, (changed)), at_);
        }
        if (paths & LIBRARY != 0) {
            _refuse(address(consumer), abi.encodeCall(IPullConsumer.price, (changed, index)), at_);
        }
        bytes memory args = abi.encode(changed, index, MAX_AGE_S);
        if (paths & VERIFIER != 0) {
            _refuse(address(verifier), bytes.concat(IFeedVerifier.verify.selector, args), at_);
        }
        if (paths & CACHED != 0) {
            _refuse(address(verifier), bytes.concat(IFeedVerifier.verifyCached.selector, args), at_);
        }
    }

    function _refuse(address target, bytes memory call, uint256 at_) private {
        (bool isDone, bytes memory reason) = target.call(call);
        assertTrue(!isDone, string.concat("byte ", vm.toString(at_)));
        assertTrue(reason.length >= 4, "untyped");
    }

    function _compare(uint256 i, uint256 k, Round memory round) private view {
        assertEq(round.answer, int256(_entry(i, k, "value")), "answer");
        assertEq(round.observedAt, vm.parseJsonUint(json, _path(i, "observedAt")), "observedAt");
        assertEq(round.dispersion, _entry(i, k, "dispersion"), "dispersion");
        assertEq(round.sources, _entry(i, k, "sources"), "sources");
        assertEq(round.flags, 0x80 | _entry(i, k, "flags"), "flags");
    }

    /// @dev All that a vector speaks of. Roles that have no part in it are those of a local chain.
    function _build(uint256 i) private {
        vm.chainId(31_337);
        vm.warp(vm.parseJsonUint(json, _path(i, "observedAt")));
        report = vm.parseJsonBytes(json, _path(i, "report"));
        entries = uint256(uint8(report[37])) << 8 | uint8(report[38]);
        uint256[] memory positions = vm.parseJsonUintArray(json, _path(i, "positions"));
        registry = new FakeRegistry();
        signerSet = Deploy.signerSet({
            governance: GOVERNANCE,
            guardian: GUARDIAN,
            minDelay_s: 0,
            registry: IAttestationRegistry(address(registry)),
            images: IImagePolicy(IMAGES),
            reseatInterval_s: 0
        });
        hub = _hubAt(vm.parseJsonAddress(json, _path(i, "hub")), uint8(positions.length));
        _govern(signerSet, abi.encodeCall(ISignerSet.addHub, (hub)));
        _seatAll(positions, vm.parseJsonBytes32Array(json, _path(i, "privateKeys")));
        _listAll(vm.parseJsonBytes32Array(json, _path(i, "feedIds")));
        hub.rebuild();
        assertEq(hub.listRoot(), vm.parseJsonBytes32(json, _path(i, "listRoot")), "listRoot");
        vm.chainId(uint64(vm.parseJsonUint(json, _path(i, "chainId"))));
        verifier = IFeedVerifier(Deploy.shipped("FeedVerifier", abi.encode(hub)));
        consumer =
            IPullConsumer(Deploy.shipped("PullConsumer", abi.encode(hub, verifier, MAX_AGE_S)));
    }

    /// @dev The shipped hub, constructed at an address of choice.
    function _hubAt(address where, uint8 m) private returns (IFeedHub) {
        bytes memory args = abi.encode(GOVERNANCE, GUARDIAN, 0, signerSet, _config(m, 1));
        vm.etch(where, bytes.concat(vm.getCode(Deploy.artifact("FeedHub")), args));
        (bool isDone, bytes memory runtime) = where.call("");
        assertTrue(isDone, "constructed");
        vm.etch(where, runtime);
        return IFeedHub(where);
    }

    /// @dev Each key in its position. The first that a seat takes has the even one.
    function _seatAll(uint256[] memory positions, bytes32[] memory keys) private {
        uint256 seats = positions[positions.length - 1] / 2 + 1;
        for (uint256 seat = 0; seat < seats; ++seat) {
            _govern(signerSet, abi.encodeCall(ISignerSet.addSeat, (_operator(seat))));
        }
        for (uint256 i = 0; i < positions.length; ++i) {
            uint256 seat = positions[i] / 2;
            if (positions[i] % 2 == 1) _take(seat, _signer(positions[i] - 1));
            _take(seat, vm.addr(uint256(keys[i])));
        }
    }

    function _take(uint256 seat, address signer) private {
        registry.register(signer, _operator(seat));
        vm.prank(_operator(seat));
        signerSet.take(uint8(seat), signer);
    }

    function _listAll(bytes32[] memory feedIds) private {
        for (uint256 i = 0; i < feedIds.length; ++i) {
            FeedListing memory listing = FeedListing({
                decimals: 8,
                definition: bytes(string.concat("feed ", vm.toString(i))),
                minAnswer: 1,
                maxAnswer: type(int64).max,
                jumpBps: 1,
                jumpLapse_s: 1,
                historyRounds: 0
            });
            _govern(hub, abi.encodeCall(IFeedHub.listFeed, (listing)));
            assertEq(hub.feedIndex(feedIds[i]), i, "feed id");
        }
    }

    function _path(uint256 i, string memory key) private pure returns (string memory) {
        return string.concat("$[", vm.toString(i), "].", key);
    }

    function _entry(uint256 i, uint256 k, string memory key) private view returns (uint256) {
        return
            vm.parseJsonUint(json, _path(i, string.concat("entries[", vm.toString(k), "].", key)));
    }
}
