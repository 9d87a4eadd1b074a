// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {FeedInfo, FeedListing, HubConfig, IFeedHub, Round} from "contracts/interfaces/IFeedHub.sol";
import {IGoverned} from "contracts/interfaces/IGoverned.sol";
import {ISignerSet} from "contracts/interfaces/ISignerSet.sol";
import {TeeKind, Tier} from "contracts/types/Tee.sol";

import {Deploy} from "./Deploy.sol";
import {Answer, FeedHubSetup} from "./FeedHubSetup.sol";
import {FakeSignerSet} from "./fakes/FakeSignerSet.sol";

contract FeedHubTest is FeedHubSetup {
    int64 private constant PRICE = 5_000_000_000;
    uint256 private constant ENTRY_OFFSET = 39;

    function setUp() external {
        _deploy(5, 3, 5);
    }

    // --- submit: what lands ---

    function test_submit_StoresTheRound() external {
        hub.submit(_report(START - 3, _one(1, PRICE), _firstSeats(3)));

        Round memory round = hub.read(1);
        assertEq(round.answer, PRICE, "answer");
        assertEq(round.observedAt, START - 3, "observedAt");
        assertEq(round.dispersion, 12, "dispersion");
        assertEq(round.sources, 5, "sources");
        assertEq(round.flags, 0x80, "listed, tier 1");
    }

    function test_submit_KeepsTheEnclavesFlags() external {
        Answer[] memory answers = _one(1, PRICE);
        answers[0].flags = 0x0F;
        hub.submit(_report(START, answers, _firstSeats(3)));
        assertEq(hub.read(1).flags, 0x8F, "flags");
    }

    function test_submit_StoresTheWeakestTierThatCounted() external {
        _seat(7, TeeKind.SGX, Tier.TOKEN);
        hub.rebuild();
        hub.submit(_report(START, _one(1, PRICE), _firstSeats(2) | 1 << 7));
        assertEq(hub.read(1).flags, 0x80 | (Tier.TOKEN - 1) << 4, "flags");
    }

    function test_submit_LeavesTheOtherLaneOfTheSlot() external {
        hub.submit(_report(START, _many(4, 1, PRICE), _firstSeats(3)));
        hub.submit(_report(START + 1, _one(3, PRICE + 9), _firstSeats(3)));
        hub.submit(_report(START + 2, _one(0, PRICE + 7), _firstSeats(3)));
        assertEq(hub.read(0).answer, PRICE + 7, "feed 0");
        assertEq(hub.read(1).answer, PRICE + 1, "feed 1");
        assertEq(hub.read(2).answer, PRICE + 2, "feed 2");
        assertEq(hub.read(3).answer, PRICE + 9, "feed 3");
        assertEq(hub.read(2).observedAt, START, "moment of feed 2");
    }

    function test_submit_TakesAnySeatsInAnyPosition() external {
        _seat(3);
        hub.rebuild();
        hub.submit(_report(START, _one(0, PRICE), uint64(1 << 3 | 1 << 4 | 1 << 8)));
        assertEq(hub.read(0).answer, PRICE, "answer");
    }

    function test_submit_EmitsOneEventForTheBatch() external {
        Answer[] memory answers = _many(5, 1, PRICE);
        bytes memory report = _report(START, answers, _firstSeats(3));
        vm.expectEmit();
        emit IFeedHub.ReportAccepted(uint32(START), STRANGER, _firstSeats(3), _pack(answers));
        vm.prank(STRANGER);
        hub.submit(report);
    }

    function test_submit_AcceptsBothEndsOfTheWindow() external {
        hub.submit(_report(START - MAX_AGE_S, _one(0, PRICE), _firstSeats(3)));
        hub.submit(_report(START + SKEW_S, _one(0, PRICE), _firstSeats(3)));
        assertEq(hub.read(0).observedAt, START + SKEW_S, "observedAt");
    }

    function test_submit_AcceptsBothBounds() external {
        hub.submit(_report(START, _one(0, MIN_ANSWER), _firstSeats(3)));
        hub.submit(_report(START, _one(1, MAX_ANSWER), _firstSeats(3)));
        assertEq(hub.read(0).answer, MIN_ANSWER, "least");
        assertEq(hub.read(1).answer, MAX_ANSWER, "most");
    }

    function test_submit_AcceptsTheLargestStepBothWays() external {
        hub.submit(_report(START, _one(0, 10_000), _firstSeats(3)));
        hub.submit(_report(START + 1, _one(0, 11_000), _firstSeats(3)));
        hub.submit(_report(START + 2, _one(0, 9900), _firstSeats(3)));
        assertEq(hub.read(0).answer, 9900, "answer");
    }

    function test_submit_AcceptsAnyStepAfterTheLapse() external {
        hub.submit(_report(START, _one(0, PRICE), _firstSeats(3)));
        vm.warp(START + JUMP_LAPSE_S + 1);
        hub.submit(_report(START + JUMP_LAPSE_S + 1, _one(0, MIN_ANSWER), _firstSeats(3)));
        assertEq(hub.read(0).answer, MIN_ANSWER, "answer");
    }

    function testFuzz_submit_StoresWhatWasSigned(
        uint16 index,
        uint64 value,
        uint16 dispersion,
        uint8 sources,
        uint8 flags,
        uint32 back
    ) external {
        Answer[] memory answers = new Answer[](1);
        answers[0] = Answer({
            index: uint16(bound(index, 0, 4)),
            value: int64(uint64(bound(value, uint64(MIN_ANSWER), uint64(MAX_ANSWER)))),
            dispersion: dispersion,
            sources: sources,
            flags: flags & 0x0F
        });
        uint256 observedAt = START - bound(back, 0, MAX_AGE_S);
        hub.submit(_report(observedAt, answers, _firstSeats(3)));
        Round memory round = hub.read(answers[0].index);
        assertEq(round.answer, answers[0].value, "answer");
        assertEq(round.observedAt, observedAt, "observedAt");
        assertEq(round.dispersion, dispersion, "dispersion");
        assertEq(round.sources, sources, "sources");
        assertEq(round.flags, 0x80 | answers[0].flags, "flags");
    }

    /// @dev The hub against a plain model of its rules, entry by entry.
    function testFuzz_submit_StoresExactlyWhatTheRulesSay(uint256 seed) external {
        int64[5] memory stored;
        uint256[5] memory storedAt;
        uint256 observedAt = START;
        for (uint256 round = 0; round < 4; ++round) {
            seed = uint256(keccak256(abi.encode(seed)));
            observedAt += seed % 4 == 0 ? 0 : seed % 5000;
            if (observedAt > block.timestamp) vm.warp(observedAt);
            uint256 chosen = 1 + (seed >> 16) % 31;
            Answer[] memory answers = _chosen(chosen, seed);
            bool isAnyStored;
            for (uint256 i = 0; i < answers.length; ++i) {
                uint256 index = answers[i].index;
                if (!_isStorable(answers[i].value, observedAt, stored[index], storedAt[index])) {
                    continue;
                }
                stored[index] = answers[i].value;
                storedAt[index] = observedAt;
                isAnyStored = true;
            }
            bytes memory report = _report(observedAt, answers, _firstSeats(3));
            if (!isAnyStored) vm.expectRevert(IFeedHub.FeedHub_NothingLanded.selector);
            hub.submit(report);
        }
        for (uint16 index = 0; index < 5; ++index) {
            if (storedAt[index] == 0) continue;
            assertEq(hub.read(index).answer, stored[index], "answer");
            assertEq(hub.read(index).observedAt, storedAt[index], "observedAt");
        }
    }

    // --- submit: what is skipped ---

    function test_submit_SkipsTheFeedThatIsPaused() external {
        vm.prank(GUARDIAN);
        hub.pauseFeed(1);
        _expectSkipped(1, 1, _many(3, 1, PRICE), START);
        assertEq(hub.read(0).answer, PRICE, "the others land");
        assertEq(hub.read(2).answer, PRICE + 2, "the others land");
        vm.expectRevert(
            abi.encodeWithSelector(IFeedHub.FeedHub_FeedPaused.selector, 1, START + 7 days)
        );
        hub.read(1);
    }

    function test_submit_SkipsTheFeedThatIsNotNewer() external {
        hub.submit(_report(START, _one(1, PRICE), _firstSeats(3)));
        _expectSkipped(1, 2, _many(3, 1, PRICE + 100), START);
        assertEq(hub.read(1).answer, PRICE, "kept");
    }

    function test_submit_SkipsTheFeedThatIsOutOfBounds() external {
        int64[4] memory values = [MIN_ANSWER - 1, MAX_ANSWER + 1, -1, type(int64).min];
        for (uint256 i = 0; i < values.length; ++i) {
            Answer[] memory answers = _many(3, 1, PRICE);
            answers[1].value = values[i];
            _expectSkipped(1, 3, answers, START + i);
        }
        vm.expectRevert(abi.encodeWithSelector(IFeedHub.FeedHub_NeverWritten.selector, 1));
        hub.read(1);
    }

    function test_submit_SkipsTheFeedThatJumps() external {
        hub.submit(_report(START - 9, _many(3, 1, 10_000), _firstSeats(3)));
        int64[2] memory values = [int64(11_002), 8999];
        for (uint256 i = 0; i < values.length; ++i) {
            Answer[] memory answers = _many(3, 1, 10_000);
            answers[1].value = values[i];
            _expectSkipped(1, 4, answers, START + i);
        }
        assertEq(hub.read(1).answer, 10_001, "kept");
    }

    function test_submit_SkipsAJumpUpToTheLapse() external {
        hub.submit(_report(START, _one(0, PRICE), _firstSeats(3)));
        vm.warp(START + JUMP_LAPSE_S);
        bytes memory report = _report(START + JUMP_LAPSE_S, _one(0, MIN_ANSWER), _firstSeats(3));
        vm.expectRevert(IFeedHub.FeedHub_NothingLanded.selector);
        hub.submit(report);
    }

    function test_submit_LandsAfterSkippedEntriesAtBothEnds() external {
        Answer[] memory answers = _many(5, 1, PRICE);
        answers[0].value = 1;
        answers[4].value = 1;
        hub.submit(_report(START, answers, _firstSeats(3)));
        assertEq(hub.read(2).answer, PRICE + 2, "the middle lands");
    }

    // --- submit: what reverts as a whole ---

    function test_submit_RevertWhen_NothingLands() external {
        bytes memory report = _report(START, _one(0, PRICE), _firstSeats(3));
        hub.submit(report);
        vm.expectRevert(IFeedHub.FeedHub_NothingLanded.selector);
        hub.submit(report);
    }

    function test_submit_RevertWhen_VersionIsUnknown() external {
        bytes memory report = _report(START, _one(0, PRICE), _firstSeats(3));
        report[0] = 0x02;
        _expectRefused(report, abi.encodeWithSelector(IFeedHub.FeedHub_Version.selector, 2, 1));
    }

    function test_submit_RevertWhen_ReportIsEmpty() external {
        vm.expectPartialRevert(IFeedHub.FeedHub_Version.selector);
        hub.submit("");
    }

    function test_submit_RevertWhen_ThereIsNoEntry() external {
        bytes memory report =
            _reportFor(hub.domainSeparator(), hub.listRoot(), START, "", _firstSeats(3));
        _expectRefused(
            report, abi.encodeWithSelector(IFeedHub.FeedHub_EntryCount.selector, 0, 1024)
        );
    }

    function test_submit_RevertWhen_ThereAreTooManyEntries() external {
        bytes memory report = _report(START, _one(0, PRICE), _firstSeats(3));
        report[37] = 0x04;
        _expectRefused(
            report, abi.encodeWithSelector(IFeedHub.FeedHub_EntryCount.selector, 1025, 1024)
        );
    }

    function test_submit_RevertWhen_ReportIsAByteLong() external {
        bytes memory report = bytes.concat(_report(START, _one(0, PRICE), _firstSeats(3)), hex"00");
        _expectRefused(
            report, abi.encodeWithSelector(IFeedHub.FeedHub_ReportLength.selector, 254, 253)
        );
    }

    function testFuzz_submit_RevertWhen_ReportIsCut(uint256 length) external {
        bytes memory report = _report(START, _one(0, PRICE), _firstSeats(3));
        length = bound(length, 39, report.length - 1);
        assembly {
            mstore(report, length)
        }
        _expectRefused(
            report, abi.encodeWithSelector(IFeedHub.FeedHub_ReportLength.selector, length, 253)
        );
    }

    function test_submit_RevertWhen_TableWasNeverBuilt() external {
        IFeedHub fresh = Deploy.feedHub(GOVERNANCE, GUARDIAN, 0, signerSet, _config(3, 1));
        bytes memory report = _report(START, _one(0, PRICE), _firstSeats(3));
        vm.expectRevert(IFeedHub.FeedHub_NotLive.selector);
        fresh.submit(report);
    }

    function test_submit_RevertWhen_TableWasCleared() external {
        bytes memory report = _report(START, _one(0, PRICE), _firstSeats(3));
        vm.prank(address(signerSet));
        hub.clear();
        _expectRefused(report, abi.encodePacked(IFeedHub.FeedHub_NotLive.selector));
    }

    function test_submit_RevertWhen_HubIsPaused() external {
        bytes memory report = _report(START, _one(0, PRICE), _firstSeats(3));
        vm.prank(GUARDIAN);
        hub.pauseAll();
        _expectRefused(
            report, abi.encodeWithSelector(IFeedHub.FeedHub_Paused.selector, START + 7 days)
        );
    }

    function test_submit_RevertWhen_ListIsAnother() external {
        bytes memory report = _reportFor(
            hub.domainSeparator(), keccak256("x"), START, _pack(_one(0, PRICE)), _firstSeats(3)
        );
        _expectRefused(
            report,
            abi.encodeWithSelector(
                IFeedHub.FeedHub_ListRoot.selector, keccak256("x"), hub.listRoot()
            )
        );
    }

    function test_submit_RevertWhen_DomainIsAnother() external {
        bytes memory report = _reportFor(
            keccak256("x"), hub.listRoot(), START, _pack(_one(0, PRICE)), _firstSeats(3)
        );
        vm.expectPartialRevert(IFeedHub.FeedHub_BadSignature.selector);
        hub.submit(report);
    }

    function test_submit_RevertWhen_ChainIsAnother() external {
        bytes memory report = _report(START, _one(0, PRICE), _firstSeats(3));
        vm.chainId(1337);
        vm.expectPartialRevert(IFeedHub.FeedHub_BadSignature.selector);
        hub.submit(report);
    }

    function test_submit_RevertWhen_FeedIsUnlisted() external {
        _expectRefused(
            _report(START, _one(5, PRICE), _firstSeats(3)),
            abi.encodeWithSelector(IFeedHub.FeedHub_UnlistedFeed.selector, 5, 5)
        );
    }

    function test_submit_RevertWhen_FeedIsListedButNotInTheTable() external {
        bytes32 root = hub.listRoot();
        _govern(hub, abi.encodeCall(IFeedHub.listFeed, (_listing(5))));
        bytes memory report =
            _reportFor(hub.domainSeparator(), root, START, _pack(_one(5, PRICE)), _firstSeats(3));
        _expectRefused(report, abi.encodeWithSelector(IFeedHub.FeedHub_UnlistedFeed.selector, 5, 5));
    }

    function test_submit_RevertWhen_EntriesDescend() external {
        Answer[] memory answers = _many(2, 1, PRICE);
        (answers[0].index, answers[1].index) = (2, 1);
        _expectRefused(
            _report(START, answers, _firstSeats(3)),
            abi.encodeWithSelector(IFeedHub.FeedHub_EntryOrder.selector, 1, 2)
        );
    }

    function test_submit_RevertWhen_AnEntryRepeats() external {
        Answer[] memory answers = _many(3, 1, PRICE);
        answers[1].index = 0;
        _expectRefused(
            _report(START, answers, _firstSeats(3)),
            abi.encodeWithSelector(IFeedHub.FeedHub_EntryOrder.selector, 0, 0)
        );
    }

    function test_submit_RevertWhen_AnIndexFarBeyondTheListComesFirst() external {
        Answer[] memory answers = _many(2, 1, PRICE);
        (answers[0].index, answers[1].index) = (65_535, 1);
        bytes memory report = _report(START, answers, _firstSeats(3));
        vm.expectRevert();
        hub.submit(report);
        (answers[0].index, answers[1].index) = (1023, 1);
        report = _report(START, answers, _firstSeats(3));
        vm.expectRevert();
        hub.submit(report);
    }

    function test_submit_RevertWhen_EnclaveSetsTheHubsFlags() external {
        uint8[4] memory flags = [0x80, 0x40, 0x20, 0x10];
        for (uint256 i = 0; i < 4; ++i) {
            Answer[] memory answers = _many(2, 1, PRICE);
            answers[1].flags = flags[i];
            _expectRefused(
                _report(START, answers, _firstSeats(3)),
                abi.encodeWithSelector(IFeedHub.FeedHub_ReservedFlags.selector, 1, flags[i])
            );
        }
    }

    function test_submit_RevertWhen_TooFewSigned() external {
        bytes memory report = _report(START, _one(0, PRICE), _firstSeats(3));
        report[ENTRY_OFFSET + 14 + 7] = 0x05;
        _expectRefused(report, abi.encodeWithSelector(IFeedHub.FeedHub_SignerCount.selector, 2, 3));
    }

    function test_submit_RevertWhen_MaskNamesMoreThanSigned() external {
        bytes memory report = _report(START, _one(0, PRICE), _firstSeats(3));
        report[ENTRY_OFFSET + 14 + 7] = 0x55;
        _expectRefused(report, abi.encodeWithSelector(IFeedHub.FeedHub_SignerCount.selector, 4, 3));
    }

    function test_submit_RevertWhen_NobodySigned() external {
        bytes memory report = _report(START, _one(0, PRICE), _firstSeats(3));
        report[ENTRY_OFFSET + 14 + 7] = 0x00;
        _expectRefused(report, abi.encodeWithSelector(IFeedHub.FeedHub_SignerCount.selector, 0, 3));
    }

    function test_submit_RevertWhen_ASeatSignsTwice() external {
        _seat(1);
        hub.rebuild();
        uint64 mask = 1 << 0 | 1 << 1 | 1 << 2;
        _expectRefused(
            _report(START, _one(0, PRICE), mask),
            abi.encodeWithSelector(IFeedHub.FeedHub_SeatTwice.selector, mask)
        );
    }

    function test_submit_RevertWhen_APositionIsBeyondTheSet() external {
        _expectRefused(
            _report(START, _one(0, PRICE), _firstSeats(2) | 1 << 10),
            abi.encodeWithSelector(IFeedHub.FeedHub_NoSigner.selector, 10)
        );
        _expectRefused(
            _report(START, _one(0, PRICE), _firstSeats(2) | 1 << 63),
            abi.encodeWithSelector(IFeedHub.FeedHub_NoSigner.selector, 63)
        );
    }

    function test_submit_RevertWhen_APositionIsEmpty() external {
        _expectRefused(
            _report(START, _one(0, PRICE), _firstSeats(2) | 1 << 7),
            abi.encodeWithSelector(IFeedHub.FeedHub_NoSigner.selector, 7)
        );
    }

    function test_submit_RevertWhen_ASignatureRecoversToNobodyAtAnEmptyPosition() external {
        bytes memory report = _report(START, _one(0, PRICE), _firstSeats(2) | 1 << 7);
        for (uint256 i = report.length - 64; i < report.length; ++i) {
            report[i] = 0x00;
        }
        _expectRefused(report, abi.encodeWithSelector(IFeedHub.FeedHub_NoSigner.selector, 7));
    }

    function test_submit_RevertWhen_ASignatureIsAnothers() external {
        bytes memory report = _report(START, _one(0, PRICE), _firstSeats(3));
        bytes memory foreign = _report(START, _one(0, PRICE), uint64(1 << 0 | 1 << 2 | 1 << 6));
        for (uint256 i = report.length - 64; i < report.length; ++i) {
            report[i] = foreign[i];
        }
        _expectRefused(
            report,
            abi.encodeWithSelector(
                IFeedHub.FeedHub_BadSignature.selector, 4, _signer(6), _signer(4)
            )
        );
    }

    function test_submit_RevertWhen_SignaturesAreInAnotherOrder() external {
        bytes memory report = _report(START, _one(0, PRICE), _firstSeats(3));
        uint256 first = report.length - 192;
        for (uint256 i = 0; i < 64; ++i) {
            (report[first + i], report[first + 64 + i]) =
            (report[first + 64 + i], report[first + i]);
        }
        vm.expectPartialRevert(IFeedHub.FeedHub_BadSignature.selector);
        hub.submit(report);
    }

    /// @dev A genuine signature with the smallest high s: made with the nonce 1, for a key that fits.
    function test_submit_RevertWhen_SIsHigh() external {
        uint256 order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        // The x coordinate of the generator; its y is even.
        uint256 r = 0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798;
        uint256 s = order / 2 + 1;
        Answer[] memory answers = _one(0, PRICE);
        bytes32 digest = _digest(hub.domainSeparator(), hub.listRoot(), START, _pack(answers));
        uint256 key =
            mulmod(addmod(s, order - uint256(digest) % order, order), _inverse(r, order), order);
        address signer = vm.addr(key);
        assertEq(ecrecover(digest, 27, bytes32(r), bytes32(s)), signer, "genuine");
        registry.register(signer, _operator(2));
        vm.prank(_operator(2));
        signerSet.take(2, signer);
        hub.rebuild();

        bytes memory report = _report(START, answers, uint64(1 << 0 | 1 << 2 | 1 << 5));
        bytes memory high = abi.encodePacked(r, s);
        for (uint256 i = 0; i < 64; ++i) {
            report[report.length - 64 + i] = high[i];
        }
        _expectRefused(report, abi.encodeWithSelector(IFeedHub.FeedHub_HighS.selector, 5));
    }

    function test_submit_RevertWhen_ASignerHasExpired() external {
        vm.warp(START + 30 days);
        _expectRefused(
            _report(START + 30 days, _one(0, PRICE), _firstSeats(3)),
            abi.encodeWithSelector(IFeedHub.FeedHub_SignerExpired.selector, 0, START + 30 days)
        );
        vm.warp(START + 30 days - 1);
        hub.submit(_report(START + 30 days - 1, _one(0, PRICE), _firstSeats(3)));
    }

    function test_submit_RevertWhen_VendorsAreTooFew() external {
        _govern(hub, abi.encodeCall(IFeedHub.setConfig, (_config(3, 2))));
        hub.rebuild();
        _expectRefused(
            _report(START, _one(0, PRICE), _firstSeats(3)),
            abi.encodeWithSelector(IFeedHub.FeedHub_TooFewVendors.selector, 1, 2)
        );
        _seat(1, TeeKind.TDX, Tier.DIRECT);
        hub.rebuild();
        // TDX is of the same vendor as SGX.
        _expectRefused(
            _report(START, _one(0, PRICE), uint64(1 << 1 | 1 << 2 | 1 << 4)),
            abi.encodeWithSelector(IFeedHub.FeedHub_TooFewVendors.selector, 1, 2)
        );
        _seat(3, TeeKind.SNP, Tier.DIRECT);
        hub.rebuild();
        hub.submit(_report(START, _one(0, PRICE), uint64(1 << 1 | 1 << 3 | 1 << 4)));
    }

    function test_submit_RevertWhen_VendorsAreUnknown() external {
        for (uint256 seat = 0; seat < 3; ++seat) {
            _seat(2 * seat + 1, TeeKind.GCP, Tier.TOKEN);
        }
        hub.rebuild();
        _expectRefused(
            _report(START, _one(0, PRICE), uint64(1 << 1 | 1 << 3 | 1 << 5)),
            abi.encodeWithSelector(IFeedHub.FeedHub_TooFewVendors.selector, 0, 1)
        );
    }

    function test_submit_RevertWhen_ReportIsTooOld() external {
        uint256 observedAt = START - MAX_AGE_S - 1;
        _expectRefused(
            _report(observedAt, _one(0, PRICE), _firstSeats(3)),
            abi.encodeWithSelector(
                IFeedHub.FeedHub_ReportTooOld.selector, observedAt, observedAt + 1
            )
        );
    }

    function test_submit_RevertWhen_ReportIsFromTheFuture() external {
        uint256 observedAt = START + SKEW_S + 1;
        _expectRefused(
            _report(observedAt, _one(0, PRICE), _firstSeats(3)),
            abi.encodeWithSelector(
                IFeedHub.FeedHub_ReportFromTheFuture.selector, observedAt, observedAt - 1
            )
        );
    }

    function test_submit_RevertWhen_AnyBitOfTheReportIsFlipped() external {
        bytes memory report = _report(START, _many(2, 1, PRICE), _firstSeats(3));
        for (uint256 i = 0; i < report.length; ++i) {
            for (uint256 bit = 0; bit < 8; ++bit) {
                bytes1 right = report[i];
                report[i] = right ^ bytes1(uint8(1 << bit));
                (bool isDone,) = address(hub).call(abi.encodeCall(hub.submit, (report)));
                assertTrue(!isDone, string.concat("byte ", vm.toString(i)));
                report[i] = right;
            }
        }
        vm.expectRevert(abi.encodeWithSelector(IFeedHub.FeedHub_NeverWritten.selector, 0));
        hub.read(0);
        hub.submit(report);
    }

    function testFuzz_submit_RevertWhen_BytesAreNoReport(bytes calldata report) external {
        vm.expectRevert();
        hub.submit(report);
    }

    // --- rebuild and clear ---

    function test_rebuild_TakesANewSignerIntoForce() external {
        _seat(1);
        uint64 mask = 1 << 1 | 1 << 2 | 1 << 4;
        bytes memory report = _report(START, _one(0, PRICE), mask);
        _expectRefused(report, abi.encodeWithSelector(IFeedHub.FeedHub_NoSigner.selector, 1));
        vm.prank(STRANGER);
        hub.rebuild();
        hub.submit(report);
    }

    function test_rebuild_LeavesOutARevokedSigner() external {
        bytes memory report = _report(START, _one(0, PRICE), _firstSeats(3));
        registry.revoke(_signer(4), signerSet);
        assertTrue(!hub.isLive(), "cleared by the revocation");
        _expectRefused(report, abi.encodePacked(IFeedHub.FeedHub_NotLive.selector));
        hub.rebuild();
        _expectRefused(report, abi.encodeWithSelector(IFeedHub.FeedHub_NoSigner.selector, 4));
        hub.submit(_report(START, _one(0, PRICE), uint64(1 << 0 | 1 << 2 | 1 << 6)));
    }

    function test_rebuild_LeavesOutASignerOfAWeakerTier() external {
        HubConfig memory config = _config(3, 1);
        config.minTier = Tier.DIRECT;
        _govern(hub, abi.encodeCall(IFeedHub.setConfig, (config)));
        _seat(5, TeeKind.SGX, Tier.ENDORSED);
        hub.rebuild();
        _expectRefused(
            _report(START, _one(0, PRICE), _firstSeats(2) | 1 << 5),
            abi.encodeWithSelector(IFeedHub.FeedHub_NoSigner.selector, 5)
        );
    }

    function test_rebuild_ReusesTheTableWhenNothingChanged() external {
        address table = hub.table();
        vm.prank(address(signerSet));
        hub.clear();
        assertEq(hub.rebuild(), table, "the same table");
        assertTrue(hub.isLive(), "live");
    }

    function test_rebuild_WritesTheTableAsDocumented() external {
        _seat(1, TeeKind.SNP, Tier.ENDORSED);
        vm.expectEmit(false, true, true, true);
        emit IFeedHub.TableRebuilt(address(0), hub.listRoot(), 5, 5);
        bytes memory code = hub.rebuild().code;
        assertEq(code.length, 1 + 26 * 10 + 32 + 22 * 5, "length");
        bytes memory wanted = abi.encodePacked(
            hex"00",
            _signer(0),
            uint40(START + 30 days),
            hex"11",
            _signer(1),
            uint40(START + 30 days),
            hex"22"
        );
        for (uint256 i = 0; i < wanted.length; ++i) {
            assertTrue(code[i] == wanted[i], "signers");
        }
        wanted = abi.encodePacked(
            hub.listRoot(), MIN_ANSWER, MAX_ANSWER, JUMP_BPS, JUMP_LAPSE_S, MIN_ANSWER
        );
        for (uint256 i = 0; i < wanted.length; ++i) {
            assertTrue(code[261 + i] == wanted[i], "root and feeds");
        }
    }

    function test_rebuild_HoldsTheLargestSetAndList() external {
        FakeSignerSet set = new FakeSignerSet(64);
        hub = Deploy.feedHub(GOVERNANCE, GUARDIAN, 0, ISignerSet(address(set)), _config(1, 1));
        for (uint256 i = 0; i < 1024; ++i) {
            _govern(hub, abi.encodeCall(IFeedHub.listFeed, (_listing(i))));
        }
        assertEq(hub.rebuild().code.length, 24_225, "bytes of code");
        bytes memory more = abi.encodeCall(IFeedHub.listFeed, (_listing(1024)));
        vm.prank(GOVERNANCE);
        hub.propose(more);
        vm.expectRevert(abi.encodeWithSelector(IFeedHub.FeedHub_TooManyFeeds.selector, 1024));
        hub.execute(more);
        assertEq(hub.feedIds().length, 1024, "feeds");
    }

    function test_rebuild_RevertWhen_NothingChanged() external {
        vm.expectRevert(IFeedHub.FeedHub_NothingToRebuild.selector);
        hub.rebuild();
    }

    function test_rebuild_RevertWhen_TheSetWouldNotStopTheHub() external {
        IFeedHub fresh = Deploy.feedHub(GOVERNANCE, GUARDIAN, 0, signerSet, _config(3, 1));
        vm.expectRevert(
            abi.encodeWithSelector(IFeedHub.FeedHub_NotAdded.selector, address(signerSet))
        );
        fresh.rebuild();
    }

    function test_rebuild_RevertWhen_TheSetGivesTooManyPositions() external {
        uint256[2] memory counts = [uint256(66), 3];
        for (uint256 i = 0; i < 2; ++i) {
            ISignerSet set = ISignerSet(address(new FakeSignerSet(counts[i])));
            IFeedHub fresh = Deploy.feedHub(GOVERNANCE, GUARDIAN, 0, set, _config(3, 1));
            vm.expectRevert(
                abi.encodeWithSelector(IFeedHub.FeedHub_BadSignerSet.selector, counts[i], 64)
            );
            fresh.rebuild();
        }
    }

    function test_clear_EmitsOnceAndNeverReverts() external {
        vm.expectEmit();
        emit IFeedHub.TableCleared(address(signerSet));
        vm.prank(address(signerSet));
        hub.clear();
        vm.recordLogs();
        vm.prank(address(signerSet));
        hub.clear();
        assertEq(vm.getRecordedLogs().length, 0, "no second event");
    }

    function test_clear_RevertWhen_CallerIsNotTheSignerSet() external {
        vm.expectRevert(
            abi.encodeWithSelector(
                IFeedHub.FeedHub_NotSignerSet.selector, GOVERNANCE, address(signerSet)
            )
        );
        vm.prank(GOVERNANCE);
        hub.clear();
    }

    // --- listing ---

    function test_listFeed_GivesTheNextIndexAndTheDocumentedId() external {
        FeedListing memory listing = _listing(77);
        listing.decimals = 18;
        listing.historyRounds = 3;
        bytes32 id = keccak256(abi.encodePacked(hex"01", hex"12", listing.definition));
        bytes32 root = keccak256(abi.encodePacked(hub.listRoot(), id));
        bytes memory call = abi.encodeCall(IFeedHub.listFeed, (listing));
        vm.prank(GOVERNANCE);
        hub.propose(call);
        vm.expectEmit();
        emit IFeedHub.FeedListed(
            5, id, 18, listing.definition, MIN_ANSWER, MAX_ANSWER, JUMP_BPS, JUMP_LAPSE_S, 3
        );
        hub.execute(call);
        assertEq(hub.feedIndex(id), 5, "index");
        assertEq(hub.listRoot(), root, "running hash");
        assertEq(hub.feedIds()[5], id, "last id");
        FeedInfo memory info = hub.feedInfo(5);
        assertEq(info.feedId, id, "id");
        assertEq(info.decimals, 18, "decimals");
        assertEq(info.minAnswer, MIN_ANSWER, "min");
        assertEq(info.maxAnswer, MAX_ANSWER, "max");
        assertEq(info.jumpBps, JUMP_BPS, "jump");
        assertEq(info.jumpLapse_s, JUMP_LAPSE_S, "lapse");
        assertEq(info.pausedUntil, 0, "pause");
        assertEq(info.historyRounds, 3, "history");
    }

    function test_listFeed_KeepsReportsOfTheOldListUntilTheRebuild() external {
        bytes memory report = _report(START, _one(0, PRICE), _firstSeats(3));
        _govern(hub, abi.encodeCall(IFeedHub.listFeed, (_listing(5))));
        hub.submit(report);
        hub.rebuild();
        hub.submit(_report(START + 1, _one(5, PRICE), _firstSeats(3)));
    }

    function test_listFeed_RevertWhen_CalledDirectly() external {
        vm.expectRevert(abi.encodeWithSelector(IGoverned.Governed_NotSelf.selector, GOVERNANCE));
        vm.prank(GOVERNANCE);
        hub.listFeed(_listing(9));
    }

    function test_listFeed_RevertWhen_ListedAlready() external {
        _expectListingRefused(
            _listing(2),
            abi.encodeWithSelector(
                IFeedHub.FeedHub_AlreadyListed.selector, hub.feedIds()[2], uint16(2)
            )
        );
    }

    function test_listFeed_RevertWhen_DefinitionIsEmptyOrTooLong() external {
        FeedListing memory listing = _listing(9);
        listing.definition = "";
        _expectListingRefused(
            listing, abi.encodeWithSelector(IFeedHub.FeedHub_DefinitionLength.selector, 0, 16_384)
        );
        listing.definition = new bytes(16_385);
        _expectListingRefused(
            listing,
            abi.encodeWithSelector(IFeedHub.FeedHub_DefinitionLength.selector, 16_385, 16_384)
        );
    }

    function test_listFeed_RevertWhen_DecimalsAreTooMany() external {
        FeedListing memory listing = _listing(9);
        listing.decimals = 19;
        _expectListingRefused(
            listing, abi.encodeWithSelector(IFeedHub.FeedHub_Decimals.selector, 19, 18)
        );
    }

    function test_listFeed_RevertWhen_BoundsAreNotPositiveAndOrdered() external {
        int64[2][3] memory bad = [[int64(0), 5], [int64(-5), 5], [int64(6), 5]];
        for (uint256 i = 0; i < 3; ++i) {
            FeedListing memory listing = _listing(9);
            (listing.minAnswer, listing.maxAnswer) = (bad[i][0], bad[i][1]);
            _expectListingRefused(
                listing,
                abi.encodeWithSelector(IFeedHub.FeedHub_BadBounds.selector, bad[i][0], bad[i][1])
            );
        }
    }

    function test_listFeed_RevertWhen_JumpLimitIsOutOfRange() external {
        uint32[2][3] memory bad = [[uint32(0), 60], [uint32(10), 0], [uint32(10), 86_401]];
        for (uint256 i = 0; i < 3; ++i) {
            FeedListing memory listing = _listing(9);
            (listing.jumpBps, listing.jumpLapse_s) = (uint16(bad[i][0]), bad[i][1]);
            _expectListingRefused(
                listing,
                abi.encodeWithSelector(IFeedHub.FeedHub_BadJumpLimit.selector, bad[i][0], bad[i][1])
            );
        }
    }

    function test_setFeedLimits_IsInForceAfterTheRebuild() external {
        bytes memory call = abi.encodeCall(IFeedHub.setFeedLimits, (1, PRICE, PRICE, 5, 60));
        vm.prank(GOVERNANCE);
        hub.propose(call);
        vm.expectEmit();
        emit IFeedHub.FeedLimitsChanged(1, PRICE, PRICE, 5, 60);
        hub.execute(call);
        assertTrue(!hub.isLive(), "stopped");
        hub.rebuild();
        bytes memory report = _report(START, _one(1, PRICE + 1), _firstSeats(3));
        vm.expectRevert(IFeedHub.FeedHub_NothingLanded.selector);
        hub.submit(report);
        hub.submit(_report(START, _one(1, PRICE), _firstSeats(3)));
    }

    /// @dev A round that no reader gets any more is no measure for the next one.
    function test_submit_MeasuresNoJumpFromARoundThatIsOutOfBounds() external {
        hub.submit(_report(START, _one(1, PRICE), _firstSeats(3)));
        _limit(PRICE * 10, PRICE * 100);
        hub.rebuild();
        vm.warp(START + 1);
        hub.submit(_report(START + 1, _one(1, PRICE * 10), _firstSeats(3)));
        assertEq(hub.read(1).answer, PRICE * 10, "landed");
        // From there on steps are measured again.
        vm.warp(START + 2);
        _expectSkipped(1, 4, _many(3, 1, PRICE * 100 - 2), START + 2);
        assertEq(hub.read(1).answer, PRICE * 10, "a jump");
    }

    function test_read_RevertWhen_TheRoundIsOutsideNewBounds() external {
        hub.submit(_report(START, _one(1, PRICE), _firstSeats(3)));
        _limit(PRICE + 1, PRICE + 2);
        bytes memory reason = abi.encodeWithSelector(
            IFeedHub.FeedHub_OutOfBounds.selector, 1, PRICE, PRICE + 1, PRICE + 2
        );
        vm.expectRevert(reason);
        hub.read(1);
        _limit(PRICE - 2, PRICE - 1);
        vm.expectPartialRevert(IFeedHub.FeedHub_OutOfBounds.selector);
        hub.read(1);
        // Nothing else of the hub's state brings it back: neither a rebuild nor a pause that was lifted.
        hub.rebuild();
        vm.prank(GUARDIAN);
        hub.pauseFeed(1);
        vm.expectPartialRevert(IFeedHub.FeedHub_FeedPaused.selector);
        hub.read(1);
        vm.prank(GOVERNANCE);
        hub.unpauseFeed(1);
        vm.expectPartialRevert(IFeedHub.FeedHub_OutOfBounds.selector);
        hub.read(1);
    }

    function test_read_ServesARoundAtTheEndsOfNewBounds() external {
        hub.submit(_report(START, _one(1, PRICE), _firstSeats(3)));
        Round memory before = hub.read(1);
        _limit(PRICE, PRICE + 1);
        assertEq(abi.encode(hub.read(1)), abi.encode(before), "at the least");
        _limit(PRICE - 1, PRICE);
        assertEq(abi.encode(hub.read(1)), abi.encode(before), "at the most");
        _limit(PRICE + 1, PRICE + 1);
        _limit(1, type(int64).max);
        assertEq(abi.encode(hub.read(1)), abi.encode(before), "wide again");
    }

    function test_read_ServesTheNextRoundAfterNewBounds() external {
        hub.submit(_report(START - 1, _one(1, PRICE), _firstSeats(3)));
        _limit(PRICE + 1, PRICE + 2);
        hub.rebuild();
        hub.submit(_report(START, _one(1, PRICE + 1), _firstSeats(3)));
        Round memory round = hub.read(1);
        assertEq(round.answer, PRICE + 1, "answer");
        assertEq(round.flags & 0x40, 0, "flags");
    }

    /// @dev New bounds of feed 1, with a jump limit that nothing exceeds.
    function _limit(int64 min, int64 max) private {
        bytes memory call =
            abi.encodeCall(IFeedHub.setFeedLimits, (1, min, max, type(uint16).max, 60));
        _govern(hub, call);
    }

    function test_setFeedLimits_RevertWhen_CalledDirectlyOrUnlisted() external {
        vm.expectRevert(abi.encodeWithSelector(IGoverned.Governed_NotSelf.selector, GUARDIAN));
        vm.prank(GUARDIAN);
        hub.setFeedLimits(1, 1, 2, 3, 4);
        bytes memory call = abi.encodeCall(IFeedHub.setFeedLimits, (5, 1, 2, 3, 4));
        vm.prank(GOVERNANCE);
        hub.propose(call);
        vm.expectRevert(abi.encodeWithSelector(IFeedHub.FeedHub_UnlistedFeed.selector, 5, 5));
        hub.execute(call);
    }

    // --- configuration ---

    function test_setConfig_StopsTheHubAndIsKept() external {
        HubConfig memory config = HubConfig(2, 2, Tier.ENDORSED, 60, 1);
        bytes memory call = abi.encodeCall(IFeedHub.setConfig, (config));
        vm.prank(GOVERNANCE);
        hub.propose(call);
        vm.expectEmit();
        emit IFeedHub.ConfigChanged(config);
        hub.execute(call);
        assertTrue(!hub.isLive(), "stopped");
        HubConfig memory kept = hub.config();
        assertEq(abi.encode(kept), abi.encode(config), "config");
    }

    function test_setConfig_RevertWhen_CalledDirectly() external {
        vm.expectRevert(abi.encodeWithSelector(IGoverned.Governed_NotSelf.selector, GOVERNANCE));
        vm.prank(GOVERNANCE);
        hub.setConfig(_config(1, 1));
    }

    function test_constructor_RevertWhen_QuorumIsImpossible() external {
        uint8[2][4] memory bad = [[uint8(0), 1], [uint8(33), 1], [uint8(3), 0], [uint8(3), 4]];
        for (uint256 i = 0; i < 4; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(IFeedHub.FeedHub_BadQuorum.selector, bad[i][0], bad[i][1])
            );
            Deploy.feedHub(GOVERNANCE, GUARDIAN, 0, signerSet, _config(bad[i][0], bad[i][1]));
        }
    }

    function test_constructor_RevertWhen_TierIsUnknown() external {
        uint8[2] memory bad = [0, 5];
        for (uint256 i = 0; i < 2; ++i) {
            HubConfig memory config = _config(1, 1);
            config.minTier = bad[i];
            vm.expectRevert(abi.encodeWithSelector(IFeedHub.FeedHub_BadTier.selector, bad[i]));
            Deploy.feedHub(GOVERNANCE, GUARDIAN, 0, signerSet, config);
        }
    }

    function test_constructor_RevertWhen_WindowIsOutOfRange() external {
        uint32[2][3] memory bad = [[uint32(0), 5], [uint32(3601), 5], [uint32(60), 61]];
        for (uint256 i = 0; i < 3; ++i) {
            HubConfig memory config = _config(1, 1);
            (config.maxAge_s, config.skew_s) = (bad[i][0], bad[i][1]);
            vm.expectRevert(
                abi.encodeWithSelector(IFeedHub.FeedHub_BadWindow.selector, bad[i][0], bad[i][1])
            );
            Deploy.feedHub(GOVERNANCE, GUARDIAN, 0, signerSet, config);
        }
    }

    function test_constructor_RevertWhen_SignerSetIsZero() external {
        vm.expectRevert(IFeedHub.FeedHub_ZeroAddress.selector);
        Deploy.feedHub(GOVERNANCE, GUARDIAN, 0, ISignerSet(address(0)), _config(1, 1));
    }

    // --- pauses ---

    function test_pauseFeed_LapsesAfterSevenDays() external {
        hub.submit(_report(START, _one(1, PRICE), _firstSeats(3)));
        vm.expectEmit();
        emit IFeedHub.FeedPauseChanged(1, START + 7 days, GUARDIAN);
        vm.prank(GUARDIAN);
        hub.pauseFeed(1);
        vm.warp(START + 7 days - 1);
        vm.expectRevert(
            abi.encodeWithSelector(IFeedHub.FeedHub_FeedPaused.selector, 1, START + 7 days)
        );
        hub.read(1);
        vm.warp(START + 7 days);
        assertEq(hub.read(1).flags, 0x80, "readable, not paused");
        hub.submit(_report(START + 7 days, _one(1, PRICE + 1), _firstSeats(3)));
        assertEq(hub.read(1).answer, PRICE + 1, "writable");
    }

    function test_unpauseFeed_LiftsAtOnce() external {
        hub.submit(_report(START, _one(1, PRICE), _firstSeats(3)));
        vm.prank(GUARDIAN);
        hub.pauseFeed(1);
        vm.expectEmit();
        emit IFeedHub.FeedPauseChanged(1, START, GOVERNANCE);
        vm.prank(GOVERNANCE);
        hub.unpauseFeed(1);
        assertEq(hub.read(1).answer, PRICE, "readable");
    }

    function test_unpauseFeed_RevertWhen_GuardianCallsOrNothingIsPaused() external {
        vm.expectRevert(
            abi.encodeWithSelector(IGoverned.Governed_NotGovernance.selector, GUARDIAN, GOVERNANCE)
        );
        vm.prank(GUARDIAN);
        hub.unpauseFeed(1);
        vm.expectRevert(IFeedHub.FeedHub_NotPaused.selector);
        vm.prank(GOVERNANCE);
        hub.unpauseFeed(1);
    }

    function test_pauseFeed_RevertWhen_StrangerCallsOrFeedIsUnlisted() external {
        vm.expectRevert(
            abi.encodeWithSelector(IGoverned.Governed_NotGuardian.selector, STRANGER, GUARDIAN)
        );
        vm.prank(STRANGER);
        hub.pauseFeed(1);
        vm.expectRevert(abi.encodeWithSelector(IFeedHub.FeedHub_UnlistedFeed.selector, 5, 5));
        vm.prank(GUARDIAN);
        hub.pauseFeed(5);
    }

    function test_pauseAll_LapsesAndRoundsStayReadable() external {
        hub.submit(_report(START, _one(1, PRICE), _firstSeats(3)));
        vm.expectEmit();
        emit IFeedHub.PauseChanged(START + 7 days, GOVERNANCE);
        vm.prank(GOVERNANCE);
        hub.pauseAll();
        assertEq(hub.read(1).answer, PRICE, "readable");
        assertEq(hub.pausedUntil(), START + 7 days, "until");
        vm.warp(START + 7 days);
        hub.submit(_report(START + 7 days, _one(1, PRICE), _firstSeats(3)));
    }

    function test_unpauseAll_LiftsAtOnce() external {
        vm.prank(GUARDIAN);
        hub.pauseAll();
        vm.expectEmit();
        emit IFeedHub.PauseChanged(START, GOVERNANCE);
        vm.prank(GOVERNANCE);
        hub.unpauseAll();
        hub.submit(_report(START, _one(1, PRICE), _firstSeats(3)));
    }

    function test_unpauseAll_RevertWhen_GuardianCallsOrNothingIsPaused() external {
        vm.expectRevert(
            abi.encodeWithSelector(IGoverned.Governed_NotGovernance.selector, GUARDIAN, GOVERNANCE)
        );
        vm.prank(GUARDIAN);
        hub.unpauseAll();
        vm.expectRevert(IFeedHub.FeedHub_NotPaused.selector);
        vm.prank(GOVERNANCE);
        hub.unpauseAll();
    }

    function test_pauseAll_RevertWhen_StrangerCalls() external {
        vm.expectRevert(
            abi.encodeWithSelector(IGoverned.Governed_NotGuardian.selector, STRANGER, GUARDIAN)
        );
        vm.prank(STRANGER);
        hub.pauseAll();
    }

    function test_pauseFeed_RevertWhen_GuardianProlongs() external {
        vm.startPrank(GUARDIAN);
        hub.pauseFeed(1);
        hub.pauseFeed(2);
        uint256 free = START + 14 days;
        uint256[3] memory early = [START, START + 7 days, free - 1];
        for (uint256 i = 0; i < early.length; ++i) {
            vm.warp(early[i]);
            vm.expectRevert(
                abi.encodeWithSelector(IFeedHub.FeedHub_PauseTooSoon.selector, early[i], free)
            );
            hub.pauseFeed(1);
        }
        vm.warp(free);
        hub.pauseFeed(1);
        assertEq(hub.feedInfo(1).pausedUntil, free + 7 days, "again");
    }

    function test_pauseFeed_RevertWhen_GuardianPausesWhatGovernanceJustLifted() external {
        vm.prank(GUARDIAN);
        hub.pauseFeed(1);
        vm.warp(START + 1 days);
        vm.prank(GOVERNANCE);
        hub.unpauseFeed(1);
        vm.expectRevert(
            abi.encodeWithSelector(
                IFeedHub.FeedHub_PauseTooSoon.selector, START + 1 days, START + 8 days
            )
        );
        vm.prank(GUARDIAN);
        hub.pauseFeed(1);
        vm.warp(START + 8 days);
        vm.prank(GUARDIAN);
        hub.pauseFeed(1);
    }

    function test_pauseFeed_GovernanceRenewsWheneverItLikes() external {
        vm.prank(GUARDIAN);
        hub.pauseFeed(1);
        vm.startPrank(GOVERNANCE);
        for (uint256 day = 1; day <= 9; ++day) {
            vm.warp(START + day * 3 days);
            hub.pauseFeed(1);
            assertEq(hub.feedInfo(1).pausedUntil, START + day * 3 days + 7 days, "renewed");
        }
    }

    function test_pauseAll_RevertWhen_GuardianProlongs() external {
        vm.startPrank(GUARDIAN);
        hub.pauseAll();
        uint256 free = START + 14 days;
        uint256[3] memory early = [START, START + 7 days, free - 1];
        for (uint256 i = 0; i < early.length; ++i) {
            vm.warp(early[i]);
            vm.expectRevert(
                abi.encodeWithSelector(IFeedHub.FeedHub_PauseTooSoon.selector, early[i], free)
            );
            hub.pauseAll();
        }
        vm.warp(free);
        hub.pauseAll();
        assertEq(hub.pausedUntil(), free + 7 days, "again");
    }

    function test_pauseAll_RevertWhen_GuardianPausesWhatGovernanceJustLifted() external {
        vm.prank(GUARDIAN);
        hub.pauseAll();
        vm.prank(GOVERNANCE);
        hub.unpauseAll();
        vm.expectRevert(
            abi.encodeWithSelector(IFeedHub.FeedHub_PauseTooSoon.selector, START, START + 7 days)
        );
        vm.prank(GUARDIAN);
        hub.pauseAll();
    }

    function test_pauseAll_GovernanceRenewsWheneverItLikes() external {
        vm.prank(GUARDIAN);
        hub.pauseAll();
        vm.warp(START + 6 days);
        vm.prank(GOVERNANCE);
        hub.pauseAll();
        assertEq(hub.pausedUntil(), START + 13 days, "renewed");
    }

    // --- reading ---

    function test_read_RevertWhen_NeverWritten() external {
        vm.expectRevert(abi.encodeWithSelector(IFeedHub.FeedHub_NeverWritten.selector, 4));
        hub.read(4);
    }

    function test_read_RevertWhen_Unlisted() external {
        uint16[3] memory indexes = [5, 1024, 65_535];
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(IFeedHub.FeedHub_UnlistedFeed.selector, indexes[i], 5)
            );
            hub.read(indexes[i]);
        }
    }

    function test_feedIndex_RevertWhen_Unlisted() external {
        vm.expectRevert(abi.encodeWithSelector(IFeedHub.FeedHub_UnknownFeed.selector, bytes32("x")));
        hub.feedIndex("x");
    }

    function test_feedInfo_RevertWhen_Unlisted() external {
        vm.expectRevert(abi.encodeWithSelector(IFeedHub.FeedHub_UnlistedFeed.selector, 5, 5));
        hub.feedInfo(5);
    }

    function test_domainSeparator_IsThatOfEip712() external {
        bytes32 typeHash = keccak256(
            "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
        );
        bytes32 name = keccak256("ConfidentialOracle");
        bytes32 version = keccak256("1");
        assertEq(
            hub.domainSeparator(),
            keccak256(abi.encode(typeHash, name, version, block.chainid, hub)),
            "here"
        );
        vm.chainId(1337);
        assertEq(
            hub.domainSeparator(),
            keccak256(abi.encode(typeHash, name, version, 1337, hub)),
            "after a fork"
        );
        assertEq(address(hub.signerSet()), address(signerSet), "signer set");
    }

    function test_fallback_AnswersACallWithoutData() external {
        (bool isDone, bytes memory answer) = address(hub).call("");
        assertTrue(isDone, "done");
        assertEq(answer, abi.encode(hub.verifyConfig()), "word");
    }

    function test_fallback_RevertWhen_TheFunctionIsUnknownOrValueIsSent() external {
        (bool isDone, bytes memory reason) = address(hub).call(hex"01020304");
        assertTrue(!isDone, "unknown");
        assertEq(
            reason,
            abi.encodeWithSelector(IFeedHub.FeedHub_NoFunction.selector, bytes4(0x01020304)),
            "reason"
        );
        (isDone,) = address(hub).call(hex"0102");
        assertTrue(!isDone, "too short for a function");
        vm.deal(address(this), 1);
        (isDone,) = address(hub).call{value: 1}("");
        assertTrue(!isDone, "value");
    }

    // --- helpers ---

    function _expectRefused(bytes memory report, bytes memory reason) private {
        vm.expectRevert(reason);
        hub.submit(report);
    }

    function _expectSkipped(uint16 index, uint8 reason, Answer[] memory answers, uint256 observedAt)
        private
    {
        bytes memory report = _report(observedAt, answers, _firstSeats(3));
        vm.expectEmit();
        emit IFeedHub.FeedSkipped(index, reason);
        hub.submit(report);
    }

    function _expectListingRefused(FeedListing memory listing, bytes memory reason) private {
        bytes memory call = abi.encodeCall(IFeedHub.listFeed, (listing));
        vm.prank(GOVERNANCE);
        hub.propose(call);
        vm.expectRevert(reason);
        hub.execute(call);
    }

    /// @dev By Fermat's little theorem; the modulus is prime.
    function _inverse(uint256 x, uint256 prime) private pure returns (uint256 result) {
        result = 1;
        for (uint256 exponent = prime - 2; exponent != 0; exponent >>= 1) {
            if (exponent & 1 == 1) result = mulmod(result, x, prime);
            x = mulmod(x, x, prime);
        }
    }

    /// @dev Answers for the feeds whose bits are set, near one price, sometimes out of bounds.
    function _chosen(uint256 feeds, uint256 seed) private pure returns (Answer[] memory answers) {
        uint256 count;
        for (uint256 i = 0; i < 5; ++i) {
            count += feeds >> i & 1;
        }
        answers = new Answer[](count);
        count = 0;
        for (uint256 i = 0; i < 5; ++i) {
            if (feeds >> i & 1 == 0) continue;
            uint256 draw = uint256(keccak256(abi.encode(seed, i)));
            int64 value = int64(int256(900_000 + draw % 200_000));
            if (draw >> 128 & 15 == 0) value = int64(int256(draw % 1000));
            if (draw >> 128 & 15 == 1) value = -value;
            answers[count++] = Answer(uint16(i), value, uint16(draw), uint8(draw), 0);
        }
    }

    function _isStorable(int64 value, uint256 observedAt, int64 stored, uint256 storedAt)
        private
        pure
        returns (bool)
    {
        if (observedAt <= storedAt) return false;
        if (value < MIN_ANSWER || value > MAX_ANSWER) return false;
        if (storedAt == 0 || observedAt - storedAt > JUMP_LAPSE_S) return true;
        int256 step = int256(value) - stored;
        if (step < 0) step = -step;
        return step * 10_000 <= int256(stored) * int256(uint256(JUMP_BPS));
    }
}
