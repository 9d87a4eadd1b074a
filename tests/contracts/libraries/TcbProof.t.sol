// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EvaluationNumbers} from "contracts/libraries/EvaluationNumbers.sol";
import {TcbProof} from "contracts/libraries/TcbProof.sol";
import {TcbInfo} from "contracts/libraries/TcbInfo.sol";
import {QeIdentity} from "contracts/libraries/QeIdentity.sol";
import {X509Crl} from "contracts/libraries/X509Crl.sol";
import {Test} from "../Vm.sol";

/// @notice The library behind external calls, so that reverts can be expected.
contract TcbProofCaller {
    function platform(bytes calldata proof, bytes32 components, uint16 pceSvn)
        external
        pure
        returns (uint8, bytes32, bytes32)
    {
        return TcbProof.platform(proof, components, pceSvn);
    }

    function svn(bytes calldata proof, uint16 isvSvn)
        external
        pure
        returns (uint8, bytes32, bytes32)
    {
        return TcbProof.svn(proof, isvSvn);
    }

    function module(bytes calldata proof, uint8 id, uint16 isvSvn)
        external
        pure
        returns (bytes memory, uint8, bytes32, bytes32)
    {
        return TcbProof.module(proof, id, isvSvn);
    }

    function requireTcbInfo(bytes16 committed, bytes2 pceId, bytes32 modules, bytes32 levels)
        external
        pure
    {
        TcbProof.requireTcbInfo(committed, pceId, modules, levels);
    }

    function requireQeIdentity(bytes16 committed, bytes calldata identity, bytes32 levels)
        external
        pure
    {
        TcbProof.requireQeIdentity(committed, identity, levels);
    }

    function requireNotListed(bytes16 committed, bytes calldata serials, uint160 serial)
        external
        pure
    {
        X509Crl.requireNotListed(committed, serials, serial);
    }

    function isListed(bytes16 committed, bytes calldata serials, uint160 serial)
        external
        pure
        returns (bool)
    {
        return X509Crl.isListed(committed, serials, serial);
    }

    function dates(bytes16 committed, bytes calldata table, uint32 number)
        external
        pure
        returns (uint64, uint64)
    {
        return EvaluationNumbers.dates(committed, table, number);
    }
}

contract TcbProofTest is Test {
    bytes32 private constant HIGH =
        0x0b0b0202ff010000000000000000000005000300000000000000000000000000;
    bytes32 private constant LOW =
        0x0a0a0202ff010000000000000000000005000200000000000000000000000000;

    TcbProofCaller private tcb = new TcbProofCaller();
    bytes[3] private levels;
    bytes[3] private svns;

    function setUp() external {
        levels[0] = bytes.concat(HIGH, _grade(13, 1, 0));
        levels[1] = bytes.concat(LOW, _grade(13, 5, keccak256("advisories")));
        levels[2] = bytes.concat(LOW, _grade(5, 7, 0));
        svns[0] = _grade(8, 1, 0);
        svns[1] = _grade(6, 5, keccak256("old"));
        svns[2] = _grade(2, 7, 0);
    }

    function test_covers_ComparesEachByte() external pure {
        assertTrue(TcbProof.covers(HIGH, HIGH) && TcbProof.covers(HIGH, LOW), "at least");
        assertTrue(!TcbProof.covers(LOW, HIGH), "less");
        assertTrue(TcbProof.covers(bytes32(type(uint256).max), bytes32(0)), "most");
        for (uint256 i; i < 32; ++i) {
            bytes32 one = bytes32(uint256(1) << (8 * i));
            assertTrue(!TcbProof.covers(~(bytes32(uint256(0xff) << (8 * i))), one), "one is less");
            assertTrue(TcbProof.covers(one, one), "equal");
        }
    }

    function testFuzz_covers_IsThePlainComparison(bytes32 a, bytes32 b) external pure {
        bool wanted = true;
        for (uint256 i; i < 32; ++i) {
            wanted = wanted && a[i] >= b[i];
        }
        assertTrue(TcbProof.covers(a, b) == wanted, "bytewise");
        // Mostly equal, so that both answers occur.
        bytes32 near = bytes32(uint256(a) & ~(uint256(b) & 0x0101));
        assertTrue(TcbProof.covers(a, near), "nearly equal");
    }

    function test_platform_GivesTheFirstLevelThatIsMet() external view {
        (uint8 status, bytes32 advisories, bytes32 root) = tcb.platform(_proof(levels, 0), HIGH, 13);
        assertEq(status, 1, "status");
        assertEq(advisories, bytes32(0), "no advisories");
        assertEq(root, _root(levels, 0), "root");
        (status, advisories, root) = tcb.platform(_proof(levels, 1), LOW, 14);
        assertEq(status, 5, "status");
        assertEq(advisories, keccak256("advisories"), "advisories");
        assertEq(root, _root(levels, 0), "root");
        // The components of the first, an older PCE.
        (status, advisories, root) = tcb.platform(_proof(levels, 2), HIGH, 12);
        assertEq(status, 7, "revoked is a status, not an error");
        assertEq(root, _root(levels, 0), "root");
    }

    function test_platform_RevertWhen_AnEarlierLevelIsMet() external {
        for (uint256 last = 1; last < 3; ++last) {
            vm.expectRevert(
                abi.encodeWithSelector(TcbProof.TcbProof_NotTheFirst.selector, last - 1)
            );
            tcb.platform(_proof(levels, last), last == 1 ? HIGH : LOW, 13);
        }
    }

    function test_platform_RevertWhen_TheLastLevelShownIsNotMet() external {
        vm.expectRevert(abi.encodeWithSelector(TcbProof.TcbProof_NotMet.selector, 0));
        tcb.platform(_proof(levels, 0), LOW, 13);
        vm.expectRevert(abi.encodeWithSelector(TcbProof.TcbProof_NotMet.selector, 0));
        tcb.platform(_proof(levels, 0), HIGH, 12);
    }

    function test_platform_RevertWhen_NoLevelIsMet() external {
        vm.expectRevert(abi.encodeWithSelector(TcbProof.TcbProof_NoLevel.selector, 3));
        tcb.platform(_proof(levels, 2), HIGH, 4);
    }

    function test_platform_RevertWhen_TheLengthIsWrong() external {
        bytes memory proof = _proof(levels, 0);
        bytes[4] memory ill =
            [bytes(""), new bytes(72), bytes.concat(proof, hex"00"), new bytes(32)];
        for (uint256 i; i < ill.length; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(TcbProof.TcbProof_Length.selector, ill[i].length, 72)
            );
            tcb.platform(ill[i], HIGH, 13);
        }
    }

    /// @dev Whatever is altered of a proof that is still one, its root is another.
    function testFuzz_platform_AnAlteredProofHasAnotherRoot(uint256 any) external view {
        bytes memory proof = _proof(levels, 1);
        uint256 bit = bound(any, 0, 8 * proof.length - 1);
        proof[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        try tcb.platform(proof, LOW, 13) returns (uint8, bytes32, bytes32 root) {
            assertTrue(root != _root(levels, 0), "root");
        } catch {}
    }

    function test_svn_GivesTheFirstLevelThatIsMet() external view {
        uint16[4] memory versions = [uint16(9), 8, 7, 5];
        uint256[4] memory indexes = [uint256(0), 0, 1, 2];
        for (uint256 i; i < 4; ++i) {
            (uint8 status,, bytes32 root) = tcb.svn(_proof(svns, indexes[i]), versions[i]);
            assertEq(status, [uint256(1), 1, 5, 7][i], "level");
            assertEq(root, _root(svns, 0), "root");
        }
    }

    function test_svn_RevertWhen_NoneOrAnotherIsMet() external {
        vm.expectRevert(abi.encodeWithSelector(TcbProof.TcbProof_NoLevel.selector, 3));
        tcb.svn(_proof(svns, 2), 1);
        vm.expectRevert(abi.encodeWithSelector(TcbProof.TcbProof_NotTheFirst.selector, 0));
        tcb.svn(_proof(svns, 1), 8);
        vm.expectRevert(abi.encodeWithSelector(TcbProof.TcbProof_NotMet.selector, 1));
        tcb.svn(_proof(svns, 1), 5);
    }

    function test_module_GivesHeadAndLevel() external view {
        (bytes[3] memory heads, bytes32[3] memory links) = _modules();
        bytes memory first = bytes.concat(hex"00", heads[0], links[1], _proof(svns, 1));
        (bytes memory head, uint8 status,, bytes32 root) = tcb.module(first, 3, 6);
        assertEq(head, heads[0], "head");
        assertEq(status, 5, "status");
        assertEq(root, links[0], "root");
        bytes memory second =
            bytes.concat(hex"01", heads[0], _root(svns, 0), heads[1], links[2], _proof(svns, 0));
        (head, status,, root) = tcb.module(second, 1, 8);
        assertEq(head, heads[1], "head");
        assertEq(root, links[0], "root");
        bytes memory last = bytes.concat(
            hex"02", heads[0], _root(svns, 0), heads[1], _root(svns, 0), heads[2], bytes32(0)
        );
        (head, status,, root) = tcb.module(last, 0, 8);
        assertEq(head, heads[2], "tdxModule");
        assertEq(status, 0, "no levels");
        assertEq(root, links[0], "root");
    }

    function test_module_RevertWhen_ItIsAnotherOrIll() external {
        (bytes[3] memory heads, bytes32[3] memory links) = _modules();
        bytes memory first = bytes.concat(hex"00", heads[0], links[1], _proof(svns, 1));
        vm.expectRevert(abi.encodeWithSelector(TcbProof.TcbProof_Module.selector, 3, 1));
        tcb.module(first, 1, 6);
        bytes memory last = bytes.concat(hex"00", heads[2], bytes32(0));
        vm.expectRevert(abi.encodeWithSelector(TcbProof.TcbProof_Length.selector, 0, 97));
        tcb.module("", 0, 6);
        vm.expectRevert(abi.encodeWithSelector(TcbProof.TcbProof_Length.selector, 99, 98));
        tcb.module(bytes.concat(last, hex"00"), 0, 6);
        last[0] = 0x01;
        vm.expectRevert(abi.encodeWithSelector(TcbProof.TcbProof_Length.selector, 98, 97));
        tcb.module(last, 0, 6);
    }

    function test_requireTcbInfo_RevertWhen_AnyPartDiffers() external {
        bytes16 digest = TcbInfo.digest(0x0001, bytes32("modules"), bytes32("levels"));
        tcb.requireTcbInfo(digest, 0x0001, "modules", "levels");
        bytes4 selector = TcbProof.TcbProof_Commitment.selector;
        vm.expectPartialRevert(selector);
        tcb.requireTcbInfo(digest, 0x0000, "modules", "levels");
        vm.expectPartialRevert(selector);
        tcb.requireTcbInfo(digest, 0x0001, "module", "levels");
        vm.expectPartialRevert(selector);
        tcb.requireTcbInfo(digest, 0x0001, "modules", "level");
    }

    function test_requireQeIdentity_RevertWhen_AnyPartDiffers() external {
        bytes memory identity = new bytes(74);
        bytes16 digest = QeIdentity.digest(identity, bytes32("levels"));
        tcb.requireQeIdentity(digest, identity, "levels");
        vm.expectPartialRevert(TcbProof.TcbProof_Commitment.selector);
        tcb.requireQeIdentity(digest, identity, "level");
        vm.expectRevert(abi.encodeWithSelector(TcbProof.TcbProof_Length.selector, 75, 74));
        tcb.requireQeIdentity(digest, new bytes(75), "levels");
        identity[73] = 0x01;
        vm.expectPartialRevert(TcbProof.TcbProof_Commitment.selector);
        tcb.requireQeIdentity(digest, identity, "levels");
    }

    function test_requireNotListed_RevertWhen_TheSerialIsOnTheList() external {
        uint160[4] memory listed = [uint160(1), type(uint160).max, 1 << 152, 0x1001];
        bytes memory serials;
        for (uint256 i; i < 4; ++i) {
            serials = bytes.concat(serials, bytes20(listed[i]));
        }
        bytes16 digest = X509Crl.digest(serials);
        for (uint256 i; i < 4; ++i) {
            assertTrue(tcb.isListed(digest, serials, listed[i]), "listed");
            assertTrue(!tcb.isListed(digest, serials, listed[i] ^ 2), "near");
            tcb.requireNotListed(digest, serials, listed[i] ^ 2);
            vm.expectRevert(abi.encodeWithSelector(X509Crl.X509Crl_Revoked.selector, listed[i]));
            tcb.requireNotListed(digest, serials, listed[i]);
        }
        // What lies across two entries is none.
        tcb.requireNotListed(digest, serials, 0x01ff);
    }

    function test_requireNotListed_RevertWhen_TheListIsAnother() external {
        bytes memory serials = bytes.concat(bytes20(uint160(7)));
        bytes16 digest = X509Crl.digest(serials);
        vm.expectPartialRevert(X509Crl.X509Crl_Commitment.selector);
        tcb.requireNotListed(digest, "", 8);
        vm.expectPartialRevert(X509Crl.X509Crl_Commitment.selector);
        tcb.isListed(digest, bytes.concat(serials, hex"00"), 8);
        tcb.requireNotListed(X509Crl.digest(""), "", 8);
    }

    function test_dates_AreOfTheNumberAndOfTheFirstAboveIt() external {
        bytes memory table =
            bytes.concat(_number(20, 2500), _number(19, 3000), _number(18, 1000), _number(17, 500));
        _checkDates(table, 20, 2500, type(uint64).max);
        _checkDates(table, 19, 3000, 2500);
        _checkDates(table, 18, 1000, 2500);
        _checkDates(table, 17, 500, 1000);
        _checkDates(table, 16, 0, 500);
        _checkDates(table, 21, 0, type(uint64).max);
        bytes16 digest = EvaluationNumbers.digest(table);
        vm.expectPartialRevert(EvaluationNumbers.EvaluationNumbers_Commitment.selector);
        tcb.dates(digest, _number(17, 500), 17);
    }

    function _checkDates(bytes memory table, uint32 number, uint64 since, uint64 superseded)
        private
        view
    {
        (uint64 publicSince, uint64 supersededAt) =
            tcb.dates(EvaluationNumbers.digest(table), table, number);
        assertEq(publicSince, since, "public since");
        assertEq(supersededAt, superseded, "superseded at");
    }

    function _number(uint32 number, uint40 recoveryAt) private pure returns (bytes memory) {
        return abi.encodePacked(number, recoveryAt, uint40(0));
    }

    function _modules() private view returns (bytes[3] memory heads, bytes32[3] memory links) {
        for (uint256 i; i < 3; ++i) {
            heads[i] =
                bytes.concat(bytes1([0x03, 0x01, 0x00][i]), new bytes(56), bytes8(~uint64(0)));
        }
        links[2] = keccak256(bytes.concat(heads[2], bytes32(0), bytes32(0)));
        links[1] = keccak256(bytes.concat(heads[1], _root(svns, 0), links[2]));
        links[0] = keccak256(bytes.concat(heads[0], _root(svns, 0), links[1]));
    }

    function _grade(uint16 svn, uint8 status, bytes32 advisories)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodePacked(svn, status, uint40(1_700_000_000), advisories);
    }

    function _proof(bytes[3] storage table, uint256 last)
        private
        view
        returns (bytes memory proof)
    {
        for (uint256 i; i <= last; ++i) {
            proof = bytes.concat(proof, table[i]);
        }
        return bytes.concat(proof, _root(table, last + 1));
    }

    function _root(bytes[3] storage table, uint256 start) private view returns (bytes32 root) {
        for (uint256 i = 3; i > start; --i) {
            root = keccak256(bytes.concat(table[i - 1], root));
        }
    }
}
