// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {
    Collateral,
    IIntelCollateral,
    QuoteCollateral
} from "contracts/interfaces/IIntelCollateral.sol";
import {IntelJson} from "contracts/libraries/IntelJson.sol";
import {CollateralFixture} from "../CollateralFixture.sol";

/// @notice TCB infos, QE identities and TCB evaluation data numbers: one text, signed.
contract IntelCollateralDocumentsTest is CollateralFixture {
    uint256 private constant DAY = 86_400;
    bytes private constant ISSUED = "\"issueDate\":\"2031-05-31T00:00:00Z\"";
    bytes private constant ENDS = "\"nextUpdate\":\"2031-06-30T00:00:00Z\"";

    /// @dev One of each kind.
    string[3] private kinds = [".documents.sgxTcb", ".documents.sgxQe", ".documents.sgxNumbers"];
    bytes[3] private calls;
    bytes6 private fmspc;

    function setUp() external {
        load();
        deployReady();
        for (uint256 i; i < 3; ++i) {
            calls[i] = callOf(kinds[i], signerId);
        }
        fmspc = bytes6(_bytes(kinds[0], ".fmspc"));
    }

    function test_updateTcbInfo_KeepsAndTellsWhatTheDocumentSays() external {
        string[4] memory names =
            [".documents.sgxTcb", ".documents.tdxTcb", ".documents.sgxRich", ".documents.tdxRich"];
        for (uint256 i; i < names.length; ++i) {
            deployReady();
            string memory d = names[i];
            vm.expectEmit();
            emit IIntelCollateral.TcbInfoUpdated({
                tee: uint8(_number(d, ".tee")),
                fmspc: bytes6(_bytes(d, ".fmspc")),
                number: uint32(_number(d, ".number")),
                issuedAt: uint40(_number(d, ".issuedAt")),
                validUntil: uint40(_number(d, ".validUntil")),
                epoch: 1,
                pceId: bytes2(_bytes(d, ".pceId")),
                modules: _bytes(d, ".modules"),
                levels: _bytes(d, ".levels")
            });
            vm.prank(address(0xbad));
            bring(d);
            _assertKept(d, 1);
        }
    }

    function test_updateQeIdentity_KeepsAndTellsWhatTheDocumentSays() external {
        string[2] memory names = [".documents.sgxQe", ".documents.tdxQe"];
        for (uint256 i; i < names.length; ++i) {
            string memory d = names[i];
            vm.expectEmit();
            emit IIntelCollateral.QeIdentityUpdated({
                tee: uint8(_number(d, ".tee")),
                number: uint32(_number(d, ".number")),
                issuedAt: uint40(_number(d, ".issuedAt")),
                validUntil: uint40(_number(d, ".validUntil")),
                epoch: 1,
                identity: _bytes(d, ".identity"),
                levels: _bytes(d, ".levels")
            });
            vm.prank(address(0xbad));
            bring(d);
        }
        _assertKept(names[0], 1);
        _assertKept(names[1], 1);
    }

    function test_updateEvaluationNumbers_KeepsAndTellsWhatTheDocumentSays() external {
        string[2] memory names = [".documents.sgxNumbers", ".documents.tdxNumbers"];
        for (uint256 i; i < names.length; ++i) {
            string memory d = names[i];
            vm.expectEmit();
            emit IIntelCollateral.EvaluationNumbersUpdated({
                tee: uint8(_number(d, ".tee")),
                issuedAt: uint40(_number(d, ".issuedAt")),
                validUntil: uint40(_number(d, ".validUntil")),
                epoch: 1,
                table: _bytes(d, ".entries")
            });
            vm.prank(address(0xbad));
            bring(d);
        }
        _assertKept(names[0], 1);
        _assertKept(names[1], 1);
    }

    function test_update_EndsNoLaterThanItsSigner() external {
        // The signature is of the same key, whose other certificate ends now.
        bytes32 ending = collateral.cacheAuthority(bytesAt(".accepted.endingSigner.certificate"));
        for (uint256 i; i < 3; ++i) {
            (bool isDone,) = address(collateral).call(callOf(kinds[i], ending));
            assertTrue(isDone, "in its last second");
            assertEq(_kept(kinds[i]).validUntil, block.timestamp, "the certificate's end");
        }
    }

    function test_update_RevertWhen_TheRootsCrlIsMissingOrHasEnded() external {
        deploy();
        for (uint256 i; i < 3; ++i) {
            refuse(
                calls[i],
                abi.encodeWithSelector(
                    IIntelCollateral.IntelCollateral_Missing.selector, wordAt(".root.nameHash")
                )
            );
        }
        deployReady();
        uint256 end = numberAt(".rootCrls.first.validUntil");
        vm.warp(end + 1);
        for (uint256 i; i < 3; ++i) {
            _refuse(calls[i], IIntelCollateral.IntelCollateral_Expired.selector, end, end + 1);
        }
    }

    function test_update_RevertWhen_TheSignerIsUnusable() external {
        bytes32 nobody = keccak256("nobody");
        bytes32 ending = collateral.cacheAuthority(bytesAt(".accepted.endingSigner.certificate"));
        for (uint256 i; i < 3; ++i) {
            refuse(
                callOf(kinds[i], nobody),
                abi.encodeWithSelector(
                    IIntelCollateral.IntelCollateral_UnknownAuthority.selector, nobody
                )
            );
            refuse(
                callOf(kinds[i], caId),
                abi.encodeWithSelector(
                    IIntelCollateral.IntelCollateral_AuthorityKind.selector, true, false
                )
            );
        }
        uint256 end = block.timestamp;
        vm.warp(end + 1);
        bytes4 expired = IIntelCollateral.IntelCollateral_Expired.selector;
        for (uint256 i; i < 3; ++i) {
            _refuse(callOf(kinds[i], ending), expired, end, end + 1);
        }
        collateral.updateRootCrl(bytesAt(".rootCrls.second.der"));
        for (uint256 i; i < 3; ++i) {
            _refuse(calls[i], IIntelCollateral.IntelCollateral_Epoch.selector, 1, 2);
        }
    }

    function test_update_RevertWhen_TheTextIsTooLong() external {
        bytes memory text = new bytes(32_769);
        for (uint256 kind = 1; kind <= 3; ++kind) {
            _refuse(
                callSigned(kind, text),
                IIntelCollateral.IntelCollateral_TooLong.selector,
                32_769,
                32_768
            );
        }
    }

    /// @dev Nobody can type in collateral: a text that the signer did not sign is no collateral.
    function test_update_RevertWhen_AnotherSignedTheText() external {
        for (uint256 i; i < 3; ++i) {
            bytes memory text = textOf(kinds[i]);
            (bytes32 r, bytes32 s) = vm.signP256(0xbad, sha256(text));
            refuse(
                callWith(i + 1, text, r, s, signerId),
                abi.encodeWithSelector(
                    IIntelCollateral.IntelCollateral_Signature.selector, sha256(text)
                )
            );
            bytes memory other = replaced(text, "2031", "2032");
            r = wordAt(string.concat(kinds[i], ".r"));
            s = wordAt(string.concat(kinds[i], ".s"));
            refuse(
                callWith(i + 1, other, r, s, signerId),
                abi.encodeWithSelector(
                    IIntelCollateral.IntelCollateral_Signature.selector, sha256(other)
                )
            );
        }
    }

    /// @dev A text of one kind is none of another.
    function test_update_RevertWhen_TheTextIsOfAnotherKind() external {
        for (uint256 i; i < 3; ++i) {
            bytes memory text = textOf(kinds[i]);
            refuse(callSigned(1 + (i + 1) % 3, text), IntelJson.IntelJson_Token.selector);
            refuse(callSigned(1 + (i + 2) % 3, text), IntelJson.IntelJson_Token.selector);
        }
    }

    function test_update_RevertWhen_BytesFollow() external {
        for (uint256 i; i < 3; ++i) {
            bytes memory text = bytes.concat(textOf(kinds[i]), "\n");
            _refuse(
                callSigned(i + 1, text),
                IntelJson.IntelJson_TrailingBytes.selector,
                text.length - 1,
                text.length
            );
        }
    }

    function test_update_RevertWhen_ItIsNotNewer() external {
        for (uint256 i; i < 3; ++i) {
            uint256 issuedAt = _number(kinds[i], ".issuedAt");
            bytes memory text = textOf(kinds[i]);
            bytes memory older = replaced(text, ISSUED, "\"issueDate\":\"2031-05-30T23:59:59Z\"");
            bytes memory newer = replaced(text, ISSUED, "\"issueDate\":\"2031-05-31T00:00:01Z\"");
            bring(kinds[i]);
            bytes4 selector = IIntelCollateral.IntelCollateral_NotNewer.selector;
            _refuse(calls[i], selector, issuedAt, issuedAt + 1);
            _refuse(callSigned(i + 1, older), selector, issuedAt - 1, issuedAt + 1);
            _assertKept(kinds[i], 1);
            _take(callSigned(i + 1, newer));
            assertEq(_kept(kinds[i]).issuedAt, issuedAt + 1, "newer replaces older");
            _refuse(calls[i], selector, issuedAt, issuedAt + 2);
        }
    }

    function test_update_RevertWhen_ItIsOutOfItsTime() external {
        uint256 now_ = block.timestamp;
        for (uint256 i; i < 3; ++i) {
            bytes memory text = textOf(kinds[i]);
            _refuse(
                callSigned(i + 1, replaced(text, ISSUED, "\"issueDate\":\"2031-06-01T00:00:01Z\"")),
                IIntelCollateral.IntelCollateral_NotYetValid.selector,
                now_ + 1,
                now_
            );
            _refuse(
                callSigned(i + 1, replaced(text, ENDS, "\"nextUpdate\":\"2031-05-31T23:59:59Z\"")),
                IIntelCollateral.IntelCollateral_Expired.selector,
                now_ - 1,
                now_
            );
            assertEq(_kept(kinds[i]).issuedAt, 0, "nothing kept");
            text = replaced(text, ISSUED, "\"issueDate\":\"2031-06-01T00:00:00Z\"");
            text = replaced(text, ENDS, "\"nextUpdate\":\"2031-06-01T00:00:00Z\"");
            _take(callSigned(i + 1, text));
            assertEq(_kept(kinds[i]).issuedAt, now_, "both ends are inside");
            assertEq(_kept(kinds[i]).validUntil, now_, "both ends are inside");
        }
    }

    /// @dev Whoever brings the early number takes nothing from those who meet the standard one.
    function test_update_KeepsEachNumberBesideTheOthers() external {
        for (uint256 i; i < 2; ++i) {
            bring(kinds[i]);
            bytes memory text = textOf(kinds[i]);
            // Issued earlier, and of another number.
            text = replaced(text, ISSUED, "\"issueDate\":\"2031-05-30T00:00:00Z\"");
            text =
                replaced(text, "\"tcbEvaluationDataNumber\":18", "\"tcbEvaluationDataNumber\":19");
            _take(callSigned(i + 1, text));
            _assertKept(kinds[i], 1);
            Collateral memory early = i == 0
                ? collateral.tcbInfo(1, bytes6(_bytes(kinds[0], ".fmspc")), 19)
                : collateral.qeIdentity(1, 19);
            assertEq(early.issuedAt, _number(kinds[i], ".issuedAt") - DAY, "beside it");
        }
    }

    function test_update_KeepsEachTeeAndPlatformBesideTheOthers() external {
        string[6] memory names = [
            ".documents.sgxTcb",
            ".documents.tdxTcb",
            ".documents.sgxQe",
            ".documents.tdxQe",
            ".documents.sgxNumbers",
            ".documents.tdxNumbers"
        ];
        for (uint256 i; i < names.length; ++i) {
            bring(names[i]);
        }
        bytes memory text =
            replaced(textOf(names[0]), "\"fmspc\":\"E0E000000000\"", "\"fmspc\":\"00906ED50000\"");
        _take(callSigned(1, text));
        assertTrue(collateral.tcbInfo(1, 0x00906ed50000, 18).issuedAt != 0, "another platform's");
        for (uint256 i; i < names.length; ++i) {
            _assertKept(names[i], 1);
        }
    }

    function test_numbersCollateral_GivesTheTableAndTheEarliestEnd() external {
        bring(kinds[2]);
        (bytes16 table, uint40 end) = collateral.numbersCollateral(1);
        assertEq(bytes32(table), bytes32(halfAt(string.concat(kinds[2], ".digest"))), "table");
        assertEq(end, numberAt(".rootCrls.first.validUntil"), "the root's list ends first");
        collateral.updateRootCrl(bytesAt(".rootCrls.outliving.der"));
        (, end) = collateral.numbersCollateral(1);
        assertEq(end, _number(kinds[2], ".validUntil"), "the document ends first");
        vm.warp(end);
        collateral.numbersCollateral(1);
        vm.warp(end + 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                IIntelCollateral.IntelCollateral_Expired.selector, end, uint256(end) + 1
            )
        );
        collateral.numbersCollateral(1);
        // Suspended, never destroyed.
        _assertKept(kinds[2], 1);
    }

    function test_numbersCollateral_RevertWhen_ThereIsNone() external {
        vm.expectRevert(
            abi.encodeWithSelector(
                IIntelCollateral.IntelCollateral_Missing.selector, bytes32(uint256(0x0302) << 240)
            )
        );
        collateral.numbersCollateral(2);
    }

    function test_quoteCollateral_GivesBothDigestsAndTheEarliestEnd() external {
        bring(kinds[0]);
        bring(kinds[1]);
        collateral.updatePckCrl(bytesAt(".pckCrls.second.der"), caId);
        QuoteCollateral memory found = _quote(18, 18);
        bytes16 tcb = halfAt(string.concat(kinds[0], ".digest"));
        assertEq(bytes32(found.tcb), bytes32(tcb), "TCB info");
        bytes16 qe = halfAt(string.concat(kinds[1], ".digest"));
        assertEq(bytes32(found.qe), bytes32(qe), "QE identity");
        assertEq(found.epoch, 1, "epoch");
        uint256 end = numberAt(".rootCrls.first.validUntil");
        assertEq(found.validUntil, end, "the root's list ends first");
        collateral.updateRootCrl(bytesAt(".rootCrls.outliving.der"));
        end = numberAt(".pckCrls.second.validUntil");
        assertEq(_quote(18, 18).validUntil, end, "the CA's list ends first");
        collateral.updatePckCrl(bytesAt(".pckCrls.sameNumber.der"), caId);
        assertEq(_quote(18, 18).validUntil, _number(kinds[0], ".validUntil"), "or the documents");
    }

    function test_quoteCollateral_RevertWhen_AnyOfItIsUnusable() external {
        bring(kinds[0]);
        vm.expectPartialRevert(IIntelCollateral.IntelCollateral_Missing.selector);
        this.quote(18, 18);
        bring(kinds[1]);
        vm.expectRevert(
            abi.encodeWithSelector(IIntelCollateral.IntelCollateral_Missing.selector, caId)
        );
        this.quote(18, 18);
        collateral.updatePckCrl(bytesAt(".pckCrls.second.der"), caId);
        _quote(18, 18);
        vm.expectPartialRevert(IIntelCollateral.IntelCollateral_Missing.selector);
        this.quote(17, 18);
        vm.expectPartialRevert(IIntelCollateral.IntelCollateral_Missing.selector);
        this.quote(18, 17);
        collateral.updateRootCrl(bytesAt(".rootCrls.revoking.der"));
        vm.expectRevert(
            abi.encodeWithSelector(IIntelCollateral.IntelCollateral_Epoch.selector, 1, 2)
        );
        this.quote(18, 18);
    }

    function test_quoteCollateral_RevertWhen_ItHasEnded() external {
        bring(kinds[0]);
        bring(kinds[1]);
        collateral.updatePckCrl(bytesAt(".pckCrls.outliving.der"), caId);
        collateral.updateRootCrl(bytesAt(".rootCrls.outliving.der"));
        uint256 end = _number(kinds[0], ".validUntil");
        vm.warp(end);
        assertEq(_quote(18, 18).validUntil, end, "to its last second");
        vm.warp(end + 1);
        vm.expectRevert(
            abi.encodeWithSelector(IIntelCollateral.IntelCollateral_Expired.selector, end, end + 1)
        );
        this.quote(18, 18);
    }

    /// @dev On demand the numbers are part of it, and end it.
    function test_quoteCollateral_HasTheNumbersWhenAskedForThem() external {
        bring(kinds[0]);
        bring(kinds[1]);
        collateral.updatePckCrl(bytesAt(".pckCrls.outliving.der"), caId);
        collateral.updateRootCrl(bytesAt(".rootCrls.outliving.der"));
        assertEq(bytes32(_quote(18, 18).numbers), bytes32(0), "not asked for");
        vm.expectRevert(
            abi.encodeWithSelector(
                IIntelCollateral.IntelCollateral_Missing.selector, bytes32(uint256(0x0301) << 240)
            )
        );
        collateral.quoteCollateral(1, fmspc, 18, 18, caId, true);
        bring(kinds[2]);
        QuoteCollateral memory found = collateral.quoteCollateral(1, fmspc, 18, 18, caId, true);
        bytes16 table = halfAt(string.concat(kinds[2], ".digest"));
        assertEq(bytes32(found.numbers), bytes32(table), "table");
        uint256 end = _number(kinds[2], ".validUntil");
        uint256 without = _quote(18, 18).validUntil;
        assertEq(found.validUntil, end < without ? end : without, "earliest end");
    }

    /// @dev What a revoked certificate signed is unusable, until another one that is not revoked vouches for
    ///      the same text.
    function test_revocation_TakesAllThatTheSignerSigned() external {
        for (uint256 i; i < 3; ++i) {
            bring(kinds[i]);
        }
        collateral.updateRootCrl(bytesAt(".rootCrls.revoking.der"));
        vm.expectRevert(
            abi.encodeWithSelector(IIntelCollateral.IntelCollateral_Epoch.selector, 1, 2)
        );
        collateral.numbersCollateral(1);
        refuse(
            abi.encodeCall(collateral.cacheAuthority, (bytesAt(".signer.certificate"))),
            IIntelCollateral.IntelCollateral_Revoked.selector
        );
        bytes32 second = collateral.cacheAuthority(bytesAt(".accepted.signer.certificate"));
        for (uint256 i; i < 3; ++i) {
            _refuse(calls[i], IIntelCollateral.IntelCollateral_Epoch.selector, 1, 2);
            _take(callOf(kinds[i], second));
            _assertKept(kinds[i], 2);
        }
        collateral.numbersCollateral(1);
        collateral.cacheAuthority(bytesAt(".ca.certificate"));
        collateral.updatePckCrl(bytesAt(".pckCrls.first.der"), caId);
        assertEq(_quote(18, 18).epoch, 2, "the new epoch");
    }

    function testFuzz_update_RefusesAnyAlteredBit(uint256 kind, uint256 any) external {
        bytes memory call = calls[kind % 3];
        // Text, signature and certificate's id; not the selector, offset and length.
        uint256 begin = any % 4 == 0 ? 4 + 32 : 4 + 5 * 32;
        uint256 end = any % 4 == 0 ? 4 + 4 * 32 : call.length;
        call = flipped(call, bound(any / 4, 8 * begin, 8 * end - 1));
        (bool isDone, bytes memory reason) = address(collateral).call(call);
        // Behind the text there is padding, which says nothing.
        if (isDone) {
            assertEq(abi.encode(_sgx(kind % 3)), _asBrought(kind % 3), "same text");
        } else {
            assertTrue(reason.length >= 4, "with a reason");
            assertEq(_sgx(kind % 3).issuedAt, 0, "and nothing kept");
        }
    }

    function quote(uint32 tcbNumber, uint32 qeNumber) external view {
        _quote(tcbNumber, qeNumber);
    }

    function _quote(uint32 tcbNumber, uint32 qeNumber)
        private
        view
        returns (QuoteCollateral memory)
    {
        return collateral.quoteCollateral(1, fmspc, tcbNumber, qeNumber, caId, false);
    }

    function _asBrought(uint256 kind) private returns (bytes memory kept) {
        deployReady();
        _take(calls[kind]);
        return abi.encode(_sgx(kind));
    }

    /// @dev What is kept of a kind, for SGX.
    function _sgx(uint256 kind) private view returns (Collateral memory) {
        if (kind == 0) return collateral.tcbInfo(1, fmspc, 18);
        return kind == 1 ? collateral.qeIdentity(1, 18) : collateral.evaluationNumbers(1);
    }

    function _take(bytes memory call) private {
        (bool isDone, bytes memory reason) = address(collateral).call(call);
        if (!isDone) revertWith(reason);
    }

    function _refuse(bytes memory call, bytes4 selector, uint256 seen, uint256 wanted) private {
        refuse(call, abi.encodeWithSelector(selector, seen, wanted));
    }

    function _assertKept(string memory d, uint16 epoch) private view {
        Collateral memory kept = _kept(d);
        bytes16 digest = halfAt(string.concat(d, ".digest"));
        assertEq(bytes32(kept.digest), bytes32(digest), "digest");
        assertEq(kept.number, _number(d, ".number"), "number");
        assertEq(kept.issuedAt, _number(d, ".issuedAt"), "begin");
        assertEq(kept.validUntil, _number(d, ".validUntil"), "end");
        assertEq(kept.epoch, epoch, "epoch");
    }

    function _kept(string memory d) private view returns (Collateral memory) {
        uint256 kind = kindOf(d);
        uint8 tee = uint8(_number(d, ".tee"));
        uint32 number = uint32(_number(d, ".number"));
        if (kind == 1) return collateral.tcbInfo(tee, bytes6(_bytes(d, ".fmspc")), number);
        return kind == 2 ? collateral.qeIdentity(tee, number) : collateral.evaluationNumbers(tee);
    }

    function _number(string memory d, string memory field) private view returns (uint256) {
        return numberAt(string.concat(d, field));
    }

    function _bytes(string memory d, string memory field) private view returns (bytes memory) {
        return bytesAt(string.concat(d, field));
    }
}
