// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDcapVerifier} from "contracts/interfaces/IDcapVerifier.sol";
import {DcapHints} from "contracts/libraries/DcapHints.sol";
import {Test} from "../Vm.sol";

/// @notice The library's functions take calldata.
contract DcapHintsCaller {
    function machine(bytes calldata hints) external pure returns (bytes memory) {
        return DcapHints.machine(hints);
    }

    function fields(bytes calldata hints)
        external
        pure
        returns (bytes32 ca, bytes16 ppid, bytes6 fmspc, bytes16 components)
    {
        return (
            DcapHints.caId(hints),
            DcapHints.ppid(hints),
            DcapHints.fmspc(hints),
            DcapHints.components(hints)
        );
    }

    function versions(bytes calldata hints)
        external
        pure
        returns (bytes2 pceId, uint16 pceSvn, uint32 tcb, uint32 qe)
    {
        (pceId, pceSvn) = DcapHints.pce(hints);
        (tcb, qe) = DcapHints.numbers(hints);
    }

    function identity(bytes calldata hints) external pure returns (bytes memory) {
        return DcapHints.identity(hints);
    }

    function items(bytes calldata hints) external pure returns (bytes memory) {
        return DcapHints.items(hints);
    }

    function take(bytes calldata rest) external pure returns (bytes memory, bytes memory) {
        return DcapHints.take(rest);
    }

    function finish(bytes calldata rest) external pure {
        DcapHints.finish(rest);
    }
}

contract DcapHintsTest is Test {
    DcapHintsCaller private caller = new DcapHintsCaller();

    function testFuzz_parts_StandWhereTheyAreWritten(
        bytes32[5] calldata noise,
        bytes calldata items
    ) external view {
        bytes memory machine = abi.encodePacked(
            noise[0], noise[1], noise[2], noise[3], bytes10(noise[4])
        );
        bytes memory identity = abi.encodePacked(noise[4], noise[3], bytes10(noise[2]));
        bytes memory hints = abi.encodePacked(machine, bytes8(noise[1]), identity, items);
        assertEq(caller.machine(hints), machine, "machine");
        assertEq(caller.identity(hints), identity, "identity");
        assertEq(caller.items(hints), items, "items");
    }

    function testFuzz_names_StandWhereTheyAreWritten(
        bytes32 ca,
        bytes16 ppid,
        bytes6 fmspc,
        bytes16 components
    ) external view {
        bytes memory hints = abi.encodePacked(
            new bytes(64), ca, ppid, fmspc, bytes4(0), components, new bytes(82)
        );
        (bytes32 seenCa, bytes16 seenPpid, bytes6 seenFmspc, bytes16 seenComponents) =
            caller.fields(hints);
        assertEq(seenCa, ca, "CA");
        assertTrue(seenPpid == ppid && seenFmspc == fmspc, "PPID and FMSPC");
        assertTrue(seenComponents == components, "components");
    }

    function testFuzz_versions_StandWhereTheyAreWritten(
        bytes2 id,
        uint16 svn,
        uint32 tcb,
        uint32 qe
    ) external view {
        bytes memory hints = abi.encodePacked(
            new bytes(118), id, svn, new bytes(16), tcb, qe, new bytes(74)
        );
        (bytes2 seenId, uint16 seenSvn, uint32 seenTcb, uint32 seenQe) = caller.versions(hints);
        assertTrue(seenId == id && seenSvn == svn, "PCE");
        assertTrue(seenTcb == tcb && seenQe == qe, "numbers");
    }

    function testFuzz_take_GivesTheFirstItemAndTheRest(bytes calldata item, bytes calldata rest)
        external
        view
    {
        vm.assume(item.length <= type(uint16).max);
        (bytes memory seen, bytes memory left) =
            caller.take(abi.encodePacked(uint16(item.length), item, rest));
        assertEq(seen, item, "item");
        assertEq(left, rest, "rest");
    }

    function test_take_RevertWhen_AnItemIsCut() external {
        refuse("", 0, 2);
        refuse(hex"ff", 1, 2);
        refuse(hex"0001", 2, 3);
        refuse(hex"000300ff", 4, 5);
        refuse(hex"ffff", 2, 65_537);
    }

    function test_items_RevertWhen_ThereIsNotAllOfTheHead() external {
        for (uint256 length; length < 220; ++length) {
            vm.expectRevert(
                abi.encodeWithSelector(IDcapVerifier.DcapVerifier_HintsLength.selector, length, 220)
            );
            caller.items(new bytes(length));
        }
        assertEq(caller.items(new bytes(220)).length, 0, "none");
    }

    function test_finish_RevertWhen_AnythingIsLeft() external {
        caller.finish("");
        vm.expectRevert(abi.encodeWithSelector(IDcapVerifier.DcapVerifier_HintsLeft.selector, 1));
        caller.finish(hex"00");
    }

    function refuse(bytes memory rest, uint256 seen, uint256 wanted) private {
        vm.expectRevert(
            abi.encodeWithSelector(IDcapVerifier.DcapVerifier_HintsLength.selector, seen, wanted)
        );
        caller.take(rest);
    }
}
