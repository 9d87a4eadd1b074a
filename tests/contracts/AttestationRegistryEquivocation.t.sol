// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {
    IAttestationRegistry,
    RegistrationRequest,
    Statement
} from "contracts/interfaces/IAttestationRegistry.sol";
import {FeedListing, HubConfig, IFeedHub} from "contracts/interfaces/IFeedHub.sol";
import {ISignerSet} from "contracts/interfaces/ISignerSet.sol";
import {TeeKind, Tier} from "contracts/types/Tee.sol";

import {Deploy} from "./Deploy.sol";
import {FakeVerifier} from "./fakes/FakeVerifier.sol";
import {RegistrySetup} from "./RegistrySetup.sol";

/// @notice What it takes to convict a signer of having signed two answers for one moment, and that nothing
///         less does.
contract AttestationRegistryEquivocationTest is RegistrySetup {
    struct Fields {
        address hub;
        uint32 observedAt;
        bytes32 listRoot;
        bytes entries;
    }

    address private constant HUB = address(0x4b);
    address private constant STRANGER = address(0x57);
    bytes32 private constant LIST = keccak256("a list of feeds");
    uint32 private constant MOMENT = 1_899_999_990;
    uint256 private constant ORDER =
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
    bytes14 private constant ENTRY_3 = 0x0003000000003b9aca00000c0500;
    bytes14 private constant OTHER_3 = 0x0003000000003b9aca01000c0500;
    bytes14 private constant ENTRY_7 = 0x0007000000000000000100000100;

    function setUp() public override {
        RegistrySetup.setUp();
        registry.register(requestAt(HEIGHT - 5));
    }

    // --- what convicts ---

    function test_proveEquivocation_RevokesTheSignerForGoodAndClearsTheHubs() external {
        vm.expectEmit();
        emit IAttestationRegistry.SignerEquivocated(signer, HUB, LIST, 3, MOMENT, ENTRY_3, OTHER_3);
        vm.expectEmit();
        emit IAttestationRegistry.SignerRevoked(signer, STRANGER);
        vm.prank(STRANGER);
        registry.proveEquivocation(HUB, 3, honest(), lying());
        assertTrue(!registry.isValid(signer), "not valid");
        assertTrue(registry.signerInfo(signer).revoked, "revoked");
        assertEq(signerSet.cleared(), 1, "hubs cleared");
        assertEq(signerSet.by(), address(registry), "cleared by the registry");
        assertEq(signerSet.signer(), signer, "for the signer");
        vm.expectRevert(revokedError());
        registry.register(requestAt(HEIGHT - 4));
    }

    function test_proveEquivocation_TakesAnyFieldOfTheEntry() external {
        uint256 before = vm.snapshotState();
        // All but the index: value, dispersion, sources, flags.
        for (uint256 bit = 0; bit < 96; ++bit) {
            bytes14 other = ENTRY_3 ^ bytes14(uint112(1) << uint112(bit));
            Fields memory f = fields(abi.encodePacked(other, ENTRY_7));
            registry.proveEquivocation(HUB, 3, honest(), statement(f, 1, 0));
            assertTrue(registry.signerInfo(signer).revoked, "revoked");
            vm.revertToState(before);
        }
    }

    function test_proveEquivocation_FindsTheFeedAndTheSignatureWhereverTheyStand() external {
        bytes memory many;
        for (uint16 i = 0; i < 100; ++i) {
            if (i == 3) many = abi.encodePacked(many, OTHER_3);
            else many = abi.encodePacked(many, i, uint64(1), uint32(0x100));
        }
        Statement memory third = statement(fields(many), 13, 12);
        registry.proveEquivocation(
            HUB, 3, statement(fields(abi.encodePacked(ENTRY_3)), 3, 2), third
        );
        assertTrue(registry.signerInfo(signer).revoked, "revoked");
    }

    function test_proveEquivocation_TakesTheLargestReport() external {
        bytes memory all = new bytes(14 * 1024);
        for (uint256 i = 0; i < 1024; ++i) {
            (all[14 * i], all[14 * i + 1]) = (bytes1(uint8(i >> 8)), bytes1(uint8(i)));
        }
        Statement memory large = statement(fields(all), 64, 63);
        all[14 * 1024 - 1] = 0x01;
        registry.proveEquivocation(HUB, 1023, large, statement(fields(all), 64, 63));
        assertTrue(registry.signerInfo(signer).revoked, "revoked");
    }

    function test_proveEquivocation_ConvictsAfterTheRegistrationEnded() external {
        vm.warp(block.timestamp + 8 days);
        assertTrue(!registry.isValid(signer), "ended");
        registry.proveEquivocation(HUB, 3, honest(), lying());
        assertTrue(registry.signerInfo(signer).revoked, "revoked");
    }

    /// @dev Mask bits and the other signatures are nobody's word against the accused.
    function test_proveEquivocation_IgnoresWhoElseSigned() external {
        Statement memory second = statement(fields(abi.encodePacked(OTHER_3)), 3, 1);
        for (uint256 i = 0; i < 64; ++i) {
            second.report[second.report.length - 1 - i] = 0xee;
            second.report[second.report.length - 192 + i] = 0xee;
        }
        registry.proveEquivocation(HUB, 3, honest(), second);
        assertTrue(registry.signerInfo(signer).revoked, "revoked");
    }

    /// @dev The contracts as deployed together: one transaction, and the liar's reports are worth nothing.
    function test_proveEquivocation_StopsTheHubAndNoRebuildBringsTheSignerBack() external {
        IFeedHub hub = deployHub();
        Fields memory f = Fields(address(hub), MOMENT, hub.listRoot(), hex"");
        f.entries = abi.encodePacked(uint16(0), uint64(5000), uint16(1), uint16(0x0500));
        Statement memory first = statement(f, 1, 0);
        hub.submit(first.report);
        f.entries = abi.encodePacked(uint16(0), uint64(5001), uint16(1), uint16(0x0500));
        registry.proveEquivocation(address(hub), 0, first, statement(f, 1, 0));
        f.observedAt = MOMENT + 1;
        bytes memory later = statement(f, 1, 0).report;
        vm.expectRevert(IFeedHub.FeedHub_NotLive.selector);
        hub.submit(later);
        hub.rebuild();
        vm.expectRevert(abi.encodeWithSelector(IFeedHub.FeedHub_NoSigner.selector, 0));
        hub.submit(later);
    }

    // --- what does not ---

    function test_proveEquivocation_RevertWhen_BothEntriesAreTheSame() external {
        refuse(3, honest(), honest(), sameEntry(ENTRY_3));
        // The other feed of the lying report has the honest entry.
        refuse(7, honest(), lying(), sameEntry(ENTRY_7));
    }

    function test_proveEquivocation_RevertWhen_TheSameEntryIsSignedInTwoReports() external {
        Fields memory f = fields(abi.encodePacked(ENTRY_3));
        refuse(3, honest(), statement(f, 2, 1), sameEntry(ENTRY_3));
    }

    function test_proveEquivocation_RevertWhen_MomentsDiffer() external {
        Fields memory f = fields(abi.encodePacked(OTHER_3));
        f.observedAt = MOMENT + 1;
        bytes memory reason = abi.encodeWithSelector(
            IAttestationRegistry.AttestationRegistry_OtherMoment.selector, MOMENT + 1, MOMENT
        );
        refuse(3, honest(), statement(f, 1, 0), reason);
    }

    function test_proveEquivocation_RevertWhen_ListsDiffer() external {
        Fields memory f = fields(abi.encodePacked(OTHER_3));
        f.listRoot = keccak256("another list");
        bytes memory reason = abi.encodeWithSelector(
            IAttestationRegistry.AttestationRegistry_OtherList.selector, f.listRoot, LIST
        );
        refuse(3, honest(), statement(f, 1, 0), reason);
    }

    function test_proveEquivocation_RevertWhen_FeedsDiffer() external {
        Fields memory f = fields(abi.encodePacked(ENTRY_7));
        bytes memory reason =
            abi.encodeWithSelector(IAttestationRegistry.AttestationRegistry_NoEntry.selector, 3);
        refuse(3, honest(), statement(f, 1, 0), reason);
        refuse(3, statement(f, 1, 0), honest(), reason);
    }

    function test_proveEquivocation_RevertWhen_OneIsForAnotherHub() external {
        Fields memory f = fields(abi.encodePacked(OTHER_3));
        f.hub = address(0x4c);
        refuseSigner(3, honest(), statement(f, 1, 0));
    }

    function test_proveEquivocation_RevertWhen_BothAreForAnotherHub() external {
        vm.expectPartialRevert(IAttestationRegistry.AttestationRegistry_OtherSigner.selector);
        registry.proveEquivocation(address(0x4c), 3, honest(), lying());
    }

    function test_proveEquivocation_RevertWhen_OneIsForAnotherChain() external {
        Statement memory here = honest();
        vm.chainId(1);
        Statement memory there = lying();
        vm.chainId(31_337);
        refuseSigner(3, here, there);
    }

    function test_proveEquivocation_RevertWhen_TwoSignersDisagree() external {
        // The second signature is by another key; its report differs.
        Statement memory second = statement(fields(abi.encodePacked(OTHER_3)), 3, 1);
        second.place = 2;
        refuseSigner(3, honest(), second);
    }

    function test_proveEquivocation_RevertWhen_SignerIsUnknown() external {
        Statement memory first = statement(fields(abi.encodePacked(ENTRY_3)), 3, 0);
        Statement memory second = statement(fields(abi.encodePacked(OTHER_3)), 3, 0);
        (first.place, second.place) = (1, 1);
        refuse(3, first, second, unknownError(vm.addr(keyOf(1))));
    }

    /// @dev Two impossible signatures agree on the zero address, which is no signer.
    function test_proveEquivocation_RevertWhen_NobodyCanHaveSigned() external {
        Statement memory first = honest();
        Statement memory second = lying();
        for (uint256 i = 1; i < 65; ++i) {
            first.report[first.report.length - i] = 0;
            second.report[second.report.length - i] = 0;
        }
        refuse(3, first, second, unknownError(address(0)));
    }

    function test_proveEquivocation_RevertWhen_SignerIsRevokedAlready() external {
        registry.proveEquivocation(HUB, 3, honest(), lying());
        vm.expectRevert(revokedError());
        registry.proveEquivocation(HUB, 3, honest(), lying());
        assertEq(signerSet.cleared(), 1, "cleared once");
    }

    /// @dev A genuine signature with the smallest high s: made with the nonce 1, for a key that fits.
    function test_proveEquivocation_RevertWhen_SIsHigh() external {
        // The x coordinate of the generator; its y is even.
        uint256 r = 0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798;
        uint256 s = ORDER / 2 + 1;
        Fields memory f = fields(abi.encodePacked(OTHER_3));
        uint256 z = uint256(digestOf(f)) % ORDER;
        uint256 key = mulmod(addmod(s, ORDER - z, ORDER), inverse(r), ORDER);
        signer = vm.addr(key);
        assertEq(ecrecover(digestOf(f), 27, bytes32(r), bytes32(s)), signer, "genuine");
        RegistrationRequest memory request = requestAt(HEIGHT - 5);
        consent(request, key);
        registry.register(request);
        Statement memory high = Statement(abi.encodePacked(head(f), uint64(1), r, s), 0);
        f.entries = abi.encodePacked(ENTRY_3);
        Statement memory low = Statement(abi.encodePacked(head(f), uint64(1), signed(f, key)), 0);
        bytes memory reason = abi.encodeWithSelector(
            IAttestationRegistry.AttestationRegistry_HighS.selector, s, ORDER / 2
        );
        refuse(3, high, low, reason);
        refuse(3, low, high, reason);
    }

    function test_proveEquivocation_RevertWhen_ThereIsNoSuchSignature() external {
        Statement memory second = lying();
        second.place = 1;
        refuse(
            3,
            honest(),
            second,
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_NoSuchSignature.selector, 1, 1
            )
        );
    }

    function test_proveEquivocation_RevertWhen_NobodySigned() external {
        Fields memory f =
            fields(abi.encodePacked(OTHER_3, ENTRY_7, ENTRY_7, ENTRY_7, ENTRY_7, ENTRY_7));
        Statement memory second = Statement(abi.encodePacked(head(f), uint64(0)), 0);
        refuse(
            3,
            honest(),
            second,
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_NoSuchSignature.selector, 0, 0
            )
        );
    }

    function test_proveEquivocation_RevertWhen_ReportIsCutAnywhere() external {
        Statement memory second = lying();
        bytes memory report = second.report;
        for (uint256 length = 0; length < 47 + 28 + 64; ++length) {
            assembly ("memory-safe") {
                mstore(report, length)
            }
            bytes4 wanted = length < 125
                ? IAttestationRegistry.AttestationRegistry_ReportTooShort.selector
                : IFeedHub.FeedHub_ReportLength.selector;
            vm.expectPartialRevert(wanted);
            registry.proveEquivocation(HUB, 3, honest(), second);
        }
    }

    function test_proveEquivocation_RevertWhen_ReportIsLonger() external {
        Statement memory second = lying();
        second.report = abi.encodePacked(second.report, uint8(0));
        refuse(
            3,
            honest(),
            second,
            abi.encodeWithSelector(IFeedHub.FeedHub_ReportLength.selector, 140, 139)
        );
    }

    function test_proveEquivocation_RevertWhen_CountIsBeyondTheReport() external {
        Statement memory second = lying();
        (second.report[37], second.report[38]) = (0x04, 0x00);
        refuse(
            3,
            honest(),
            second,
            abi.encodeWithSelector(IFeedHub.FeedHub_ReportLength.selector, 139, 39 + 14 * 1024 + 8)
        );
    }

    /// @dev A lone signature: there is no bit on which the proof does not stand.
    function test_proveEquivocation_RevertWhen_AnyBitIsFlipped() external {
        Statement[2] memory two = [honest(), lying()];
        for (uint256 which = 0; which < 2; ++which) {
            bytes memory report = two[which].report;
            for (uint256 bit = 0; bit < 8 * report.length; ++bit) {
                bytes1 flip = bytes1(uint8(1 << bit % 8));
                report[bit / 8] ^= flip;
                (bool isDone, bytes memory reason) = address(registry)
                    .call(abi.encodeCall(registry.proveEquivocation, (HUB, 3, two[0], two[1])));
                assertTrue(!isDone, string.concat("bit ", vm.toString(bit)));
                assertTrue(reason.length >= 4, "typed");
                report[bit / 8] ^= flip;
            }
        }
        assertEq(signerSet.cleared(), 0, "nothing cleared");
        assertTrue(registry.isValid(signer), "unharmed");
        registry.proveEquivocation(HUB, 3, two[0], two[1]);
    }

    /// @dev An enclave that keeps its rule - one entry for a feed and moment - whatever else it signs.
    function testFuzz_proveEquivocation_RevertWhen_TheSignerWasHonest(
        uint256 seed,
        uint16 index,
        uint8 placeA,
        uint8 placeB
    ) external {
        Statement memory a = honestStatement(seed, 0);
        Statement memory b = honestStatement(seed, 1);
        (a.place, b.place) = (placeA % 2, placeB % 2);
        (bool isDone,) = address(registry)
            .call(
                abi.encodeCall(registry.proveEquivocation, (HUB, uint16(bound(index, 0, 5)), a, b))
            );
        assertTrue(!isDone, "framed");
        assertTrue(registry.isValid(signer), "valid");
    }

    /// @dev The same generator, once the rule is broken, does make proofs.
    function testFuzz_proveEquivocation_FindsTheLiar(uint256 seed) external {
        Statement memory a = honestStatement(seed, 0);
        Fields memory f = Fields(HUB, momentOf(seed, 0), listOf(seed, 0), "");
        uint16 index = uint16(bytes2(abi.encodePacked(a.report[39], a.report[40])));
        f.entries = abi.encodePacked(entryOf(f, index) ^ bytes14(uint112(1) << 32));
        registry.proveEquivocation(HUB, index, a, statement(f, 2, 0));
        assertTrue(registry.signerInfo(signer).revoked, "revoked");
    }

    // --- helpers ---

    /// @dev A hub with one feed, whose one seat the signer holds, and the contracts behind it.
    function deployHub() private returns (IFeedHub hub) {
        uint64 nonce = vm.getNonce(address(this));
        ISignerSet set = ISignerSet(vm.computeCreateAddress(address(this), nonce + 2));
        deploy(set);
        Deploy.signerSet(address(this), GUARDIAN, 0, registry, policy, 0);
        verifierId = addVerifier(address(new FakeVerifier(Tier.DIRECT)));
        approve(IMAGE, TeeKind.SGX, 7 days);
        registry.register(requestAt(HEIGHT - 5));
        govern(set, abi.encodeCall(ISignerSet.addSeat, (OPERATOR)));
        vm.prank(OPERATOR);
        set.take(0, signer);
        HubConfig memory config =
            HubConfig({m: 1, d: 1, minTier: Tier.DIRECT, maxAge_s: 300, skew_s: 5});
        hub = Deploy.feedHub(address(this), GUARDIAN, 0, set, config);
        govern(set, abi.encodeCall(ISignerSet.addHub, (hub)));
        FeedListing memory listing = FeedListing({
            decimals: 8,
            definition: "{}",
            minAnswer: 1,
            maxAnswer: 1_000_000,
            jumpBps: 1000,
            jumpLapse_s: 60,
            historyRounds: 0
        });
        govern(hub, abi.encodeCall(IFeedHub.listFeed, (listing)));
        hub.rebuild();
    }

    function honest() private view returns (Statement memory) {
        return statement(fields(abi.encodePacked(ENTRY_3, ENTRY_7)), 1, 0);
    }

    function lying() private view returns (Statement memory) {
        return statement(fields(abi.encodePacked(OTHER_3, ENTRY_7)), 1, 0);
    }

    function fields(bytes memory entries) private pure returns (Fields memory) {
        return Fields(HUB, MOMENT, LIST, entries);
    }

    /// @dev The signer's signature stands at `place`, those of others elsewhere.
    function statement(Fields memory f, uint256 count, uint8 place)
        private
        view
        returns (Statement memory)
    {
        bytes memory report = abi.encodePacked(head(f), uint64((1 << count) - 1));
        for (uint256 i = 0; i < count; ++i) {
            report = abi.encodePacked(report, signed(f, i == place ? KEY : keyOf(i)));
        }
        return Statement(report, place);
    }

    function head(Fields memory f) private pure returns (bytes memory) {
        uint16 count = uint16(f.entries.length / 14);
        return abi.encodePacked(uint8(1), f.observedAt, f.listRoot, count, f.entries);
    }

    function signed(Fields memory f, uint256 key) private view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digestOf(f));
        return abi.encodePacked(r, uint256(s) | uint256(v - 27) << 255);
    }

    /// @dev By Fermat's little theorem; the order is prime.
    function inverse(uint256 x) private pure returns (uint256 result) {
        result = 1;
        for (uint256 exponent = ORDER - 2; exponent != 0; exponent >>= 1) {
            if (exponent & 1 == 1) result = mulmod(result, x, ORDER);
            x = mulmod(x, x, ORDER);
        }
    }

    function keyOf(uint256 i) private pure returns (uint256) {
        return uint256(keccak256(abi.encode("another signer", i)));
    }

    /// @dev Written out apart from the contracts' own codec.
    function digestOf(Fields memory f) private view returns (bytes32) {
        bytes32 typeHash =
            keccak256("Report(uint8 version,uint32 observedAt,bytes32 listRoot,bytes entries)");
        return keccak256(
            abi.encodePacked(
                hex"1901",
                domainOf(f.hub),
                keccak256(abi.encode(typeHash, 1, f.observedAt, f.listRoot, keccak256(f.entries)))
            )
        );
    }

    /// @dev One of a small number of reports that the rule allows: equal moments and lists are likely.
    function honestStatement(uint256 seed, uint256 which) private view returns (Statement memory) {
        Fields memory f = Fields(HUB, momentOf(seed, which), listOf(seed, which), "");
        uint256 chosen = 1 + (seed >> (8 + 8 * which)) % 31;
        for (uint16 i = 0; i < 5; ++i) {
            if (chosen >> i & 1 == 1) f.entries = abi.encodePacked(f.entries, entryOf(f, i));
        }
        return statement(f, 2, 0);
    }

    function momentOf(uint256 seed, uint256 which) private pure returns (uint32) {
        return MOMENT - uint32(seed >> which & 1);
    }

    function listOf(uint256 seed, uint256 which) private pure returns (bytes32) {
        return keccak256(abi.encode("list", seed >> (2 + which) & 1));
    }

    /// @dev The one entry that an honest enclave signs for a feed and moment.
    function entryOf(Fields memory f, uint16 index) private pure returns (bytes14) {
        bytes32 any = keccak256(abi.encode(f.hub, f.observedAt, f.listRoot, index));
        return
            bytes14(abi.encodePacked(index, uint64(uint256(any) >> 193), uint16(3), uint16(0x0500)));
    }

    function refuse(uint16 index, Statement memory a, Statement memory b, bytes memory reason)
        private
    {
        vm.expectRevert(reason);
        registry.proveEquivocation(HUB, index, a, b);
        assertTrue(registry.isValid(signer), "still valid");
    }

    function refuseSigner(uint16 index, Statement memory a, Statement memory b) private {
        vm.expectPartialRevert(IAttestationRegistry.AttestationRegistry_OtherSigner.selector);
        registry.proveEquivocation(HUB, index, a, b);
        assertTrue(registry.isValid(signer), "still valid");
    }

    function sameEntry(bytes14 entry) private pure returns (bytes memory) {
        return
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_SameEntry.selector, entry
            );
    }

    function unknownError(address who) private pure returns (bytes memory) {
        return abi.encodeWithSelector(
            IAttestationRegistry.AttestationRegistry_UnknownSigner.selector, who
        );
    }

    function revokedError() private view returns (bytes memory) {
        return
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_Revoked.selector, signer
            );
    }
}
