// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DcapQuote, QuoteLayout} from "contracts/libraries/DcapQuote.sol";
import {IDcapVerifier} from "contracts/interfaces/IDcapVerifier.sol";
import {TeeKind} from "contracts/types/Tee.sol";
import {Test} from "../Vm.sol";

/// @notice The library's functions take calldata.
contract DcapQuoteCaller {
    function parse(bytes calldata evidence) external pure returns (QuoteLayout memory) {
        return DcapQuote.parse(evidence);
    }

    function requireProduction(bytes calldata body, uint8 tee) external pure {
        DcapQuote.requireProduction(body, tee);
    }

    function imageId(bytes calldata body, uint8 tee) external pure returns (bytes32) {
        return DcapQuote.imageId(body, tee);
    }

    function reportData(bytes calldata body, uint8 tee) external pure returns (bytes32, bytes32) {
        return DcapQuote.reportData(body, tee);
    }
}

contract DcapQuoteTest is Test {
    uint256 private constant SGX = 384;
    uint256 private constant TD10 = 584;
    uint256 private constant TD15 = 648;
    /// @dev ICSSD, LASS, PKS, PERFMON.
    uint256 private constant FREE = (1 << 16) | (1 << 27) | (1 << 30) | (1 << 63);
    uint256 private constant SEPT_VE_DISABLE = 28;

    DcapQuoteCaller private quote;

    function setUp() external {
        quote = new DcapQuoteCaller();
    }

    function test_parse_FindsTheBodyOfEachForm() external view {
        checkLayout(hex"0300020000000000", "", TeeKind.SGX, SGX);
        checkLayout(hex"0400020000000000", "", TeeKind.SGX, SGX);
        checkLayout(hex"0500020000000000", hex"010080010000", TeeKind.SGX, SGX);
        checkLayout(hex"0400020081000000", "", TeeKind.TDX, TD10);
        checkLayout(hex"0500020081000000", hex"020048020000", TeeKind.TDX, TD10);
        checkLayout(hex"0500020081000000", hex"030088020000", TeeKind.TDX, TD15);
    }

    function test_parse_RevertWhen_HeadIsOfNoForm() external {
        uint8[3] memory tees = [0x00, 0x81, 0x01];
        for (uint8 version; version < 8; ++version) {
            for (uint8 key; key < 5; ++key) {
                for (uint256 i; i < 3; ++i) {
                    bool isForm = key == 2 && version < 6 && (i == 0 ? version > 2 : version > 3);
                    if (isForm && i < 2) continue;
                    refuseHead(
                        bytes.concat(bytes1(version), hex"00", bytes1(key), hex"00"), tees[i]
                    );
                }
            }
        }
    }

    function testFuzz_parse_RevertWhen_BodyIsOfNoForm(bytes6 bodyType, bool isTdx) external {
        if (isTdx) vm.assume(bodyType != 0x020048020000 && bodyType != 0x030088020000);
        else vm.assume(bodyType != 0x010080010000);
        bytes8 head = isTdx ? bytes8(0x0500020081000000) : bytes8(0x0500020000000000);
        vm.expectRevert(
            abi.encodeWithSelector(
                IDcapVerifier.DcapVerifier_UnsupportedBody.selector, head, bodyType
            )
        );
        quote.parse(bytes.concat(head, new bytes(40), bodyType, new bytes(1200)));
    }

    function test_requireProduction_TakesOneSetOfTdAttributesUnderTheMask() external view {
        bytes memory td10 = production(TD10);
        bytes memory td15 = production(TD15);
        for (uint256 bit; bit < 64; ++bit) {
            bool isFree = FREE & (1 << bit) != 0;
            assertTrue(isProduction(toggled(td10, 120, bit), TeeKind.TDX) == isFree, "TD 1.0");
            assertTrue(isProduction(toggled(td15, 120, bit), TeeKind.TDX) == isFree, "TD 1.5");
        }
        assertTrue(isProduction(td10, TeeKind.TDX) && isProduction(td15, TeeKind.TDX), "neither");
    }

    function test_requireProduction_RevertWhen_SgxFlagIsForbidden() external view {
        bytes memory sgx = production(SGX);
        assertTrue(isProduction(sgx, TeeKind.SGX), "production");
        for (uint256 bit; bit < 64; ++bit) {
            bool isAllowed = bit != 0 && bit != 1 && bit != 4 && bit != 5;
            assertTrue(isProduction(toggled(sgx, 48, bit), TeeKind.SGX) == isAllowed, "flag");
        }
    }

    function test_requireProduction_RevertWhen_AnyBitOfMrServiceTdIsSet() external view {
        bytes memory td15 = production(TD15);
        for (uint256 bit; bit < 384; ++bit) {
            assertTrue(!isProduction(toggled(td15, 600, bit), TeeKind.TDX), "service TD");
        }
        for (uint256 bit; bit < 128; ++bit) {
            assertTrue(isProduction(toggled(td15, 584, bit), TeeKind.TDX), "TEE_TCB_SVN2");
        }
    }

    function test_imageId_CoversWhatNamesTheImage() external view {
        checkCovered(SGX, TeeKind.SGX, 16, 320);
        checkCovered(TD10, TeeKind.TDX, 120, 520);
        checkCovered(TD15, TeeKind.TDX, 120, 520);
    }

    function test_reportData_IsWhereTheBodyHasIt() external view {
        checkReportData(SGX, TeeKind.SGX, 320);
        checkReportData(TD10, TeeKind.TDX, 520);
        checkReportData(TD15, TeeKind.TDX, 520);
    }

    function checkLayout(bytes memory head, bytes memory bodyType, uint8 tee, uint256 size)
        private
        view
    {
        uint256 start = 48 + bodyType.length;
        bytes memory beginning = bytes.concat(head, new bytes(40), bodyType);
        uint256 least = size + 576;
        QuoteLayout memory seen = quote.parse(bytes.concat(beginning, new bytes(least)));
        assertEq(seen.tee, tee, "TEE");
        assertEq(seen.bodyStart, start, "start");
        assertEq(seen.bodyEnd, start + size, "end");
        quote.parse(bytes.concat(beginning, new bytes(least + 1024)));
        requireLength(bytes.concat(beginning, new bytes(least - 1)));
        requireLength(bytes.concat(beginning, new bytes(least + 1025)));
    }

    function requireLength(bytes memory evidence) private view {
        try quote.parse(evidence) {
            assertTrue(false, "another length was taken");
        } catch (bytes memory reason) {
            // forge-lint: disable-next-line(unsafe-typecast) the selector alone
            bytes4 selector = bytes4(reason);
            assertTrue(
                selector == IDcapVerifier.DcapVerifier_EvidenceLength.selector, "another reason"
            );
        }
    }

    function refuseHead(bytes memory versionAndKey, uint8 tee) private {
        bytes8 head = bytes8(bytes.concat(versionAndKey, bytes1(tee), hex"000000"));
        vm.expectRevert(
            abi.encodeWithSelector(IDcapVerifier.DcapVerifier_UnsupportedQuote.selector, head)
        );
        quote.parse(bytes.concat(head, new bytes(1200)));
    }

    function checkCovered(uint256 size, uint8 tee, uint256 start, uint256 end) private view {
        bytes memory body = new bytes(size);
        bytes32 before = quote.imageId(body, tee);
        for (uint256 i; i < size; ++i) {
            bool isCovered = (i >= start && i < end) || i >= 600;
            assertTrue((quote.imageId(toggled(body, i, 0), tee) != before) == isCovered, "covered");
        }
    }

    function checkReportData(uint256 size, uint8 tee, uint256 start) private view {
        bytes memory body = new bytes(size);
        body[start] = 0x01;
        body[start + 63] = 0x02;
        (bytes32 first, bytes32 second) = quote.reportData(body, tee);
        assertEq(first, bytes32(uint256(1) << 248), "first half");
        assertEq(second, bytes32(uint256(2)), "second half");
    }

    function isProduction(bytes memory body, uint8 tee) private view returns (bool) {
        try quote.requireProduction(body, tee) {
            return true;
        } catch {
            return false;
        }
    }

    function production(uint256 size) private pure returns (bytes memory body) {
        body = new bytes(size);
        if (size == SGX) body[48] = 0x05;
        else body = toggled(body, 120, SEPT_VE_DISABLE);
    }

    /// @dev A copy with one bit toggled, counted from the lowest of the byte at `start`.
    function toggled(bytes memory body, uint256 start, uint256 bit)
        private
        pure
        returns (bytes memory copy)
    {
        copy = bytes.concat(body);
        copy[start + bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
    }
}
