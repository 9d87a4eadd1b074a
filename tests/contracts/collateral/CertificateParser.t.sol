// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICertificateParser} from "contracts/interfaces/ICertificateParser.sol";
import {Der} from "contracts/libraries/Der.sol";
import {Certificate} from "contracts/libraries/X509.sol";
import {Crl} from "contracts/libraries/X509Crl.sol";
import {CollateralFixture} from "../CollateralFixture.sol";
import {Deploy} from "../Deploy.sol";

contract CertificateParserTest is CollateralFixture {
    ICertificateParser private parser;

    function setUp() external {
        load();
        parser = ICertificateParser(Deploy.shipped("CertificateParser", ""));
    }

    function test_certificate_ReadsACertificate() external view {
        Certificate memory c = parser.certificate(bytesAt(".ca.certificate"));
        assertEq(c.id, caId, "id");
        assertEq(c.x, wordAt(".ca.x"), "x");
        assertEq(c.issuer, wordAt(".root.nameHash"), "issuer");
        assertEq(c.serial, serialAt(".ca.serial"), "serial");
        assertTrue(c.isCa, "CA");
    }

    function test_crl_ReadsAList() external view {
        Crl memory list = parser.crl(bytesAt(".pckCrls.revoking.der"));
        assertEq(list.serials, bytesAt(".pckCrls.revoking.serials"), "serials");
        assertEq(list.number, 7, "number");
        assertEq(list.issuer, wordAt(".ca.nameHash"), "issuer");
    }

    /// @dev One is not taken for the other.
    function test_certificateAndCrl_RevertWhen_ItIsTheOther() external {
        bytes memory crl = bytesAt(".pckCrls.first.der");
        bytes memory certificate = bytesAt(".ca.certificate");
        vm.expectPartialRevert(Der.Der_Constant.selector);
        parser.certificate(crl);
        vm.expectPartialRevert(Der.Der_Constant.selector);
        parser.crl(certificate);
    }
}
