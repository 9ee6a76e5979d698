# For blocks that contain only upstreams: the server that passes requests to them is always the same.
#
# upstream_sections(TEXT, MORE), called after client_sections(), gives blocks these sections:
#   upstreams  upstream blocks, in which A: is the address of A. A, B and C respond with their name, and also contain TEXT, in
#              which NAME is replaced (lib/Servers.pm); D is down. On port 1983, /NAME/ is passed to upstream NAME
#   locations  inserted into the server on port 1983
#   since      skips the block with older versions of nginx; MORE may have {since => 'for all others'}
#   before     skips it with this version and newer ones
# A block without "error_log" and "no_error_log" may log nothing from [warn] on.
#
# Files with other servers use the parts:
#   addressed(UPSTREAMS)       UPSTREAMS with addresses for A: to F:, of which D, E and F are down
#   %id, %line                 the default ID of a server, and its address
#   entrance(UPSTREAMS, MORE, EACH)  the server on port 1983, with MORE in it, and EACH in each of its locations. Its responses
#                              have X-Worker and X-Tried, and it spreads its connections over the workers
#   @balancers                 nginx's load-balancing methods, as directives; the first is '', for round robin
#   variants(UPSTREAMS, FORM, ...)   replaces VARIANTS in UPSTREAMS, and the text REST after it, with an upstream for each
#                              method and each FORM, in which BALANCER, REST and ZONE, a zone's name, are replaced
#   paths_of_variants(UPSTREAMS)     Perl for a "client" that sets @variants to their paths

package Upstreams;

use strict;
use warnings;

use Exporter 'import';
use Quiet;
use Servers;
use Test::Nginx::Socket ();

our @EXPORT = qw(%port %id %line @balancers upstream_sections addressed entrance variants paths_of_variants);

# The upstreams of one server share a cookie here.
may_warn(qr/ is also that of upstream /);

@port{qw(D E F)} = (1999, 1998, 1997);
our %id = map { $_ => id($_) } keys %port;
our %line = map { $_ => "127.0.0.1:$port{$_}" } keys %port;

our @balancers = ('', 'least_conn;', 'ip_hash;', 'hash $arg_key;', 'hash $arg_key consistent;', 'random;', 'random two;',
                  'random two least_conn;');

sub addressed { my ($text) = @_; return $text =~ s/\b([A-F]):/$line{$1}/gr }
sub names { my ($upstreams) = @_; return $upstreams =~ /upstream (\w+)/g }

sub entrance {
    my ($upstreams, $more, $each) = @_;
    $more //= '';
    $each //= '';
    my $locations = join '', map { "location /$_/ { proxy_pass http://$_/; $each }\n" } names($upstreams);
    return <<"_EOC_";
$upstreams
server {
    listen 1983 reuseport;
    add_header X-Tried \$upstream_addr always;
    add_header X-Worker \$pid always;
    $locations
    $more
}
_EOC_
}

my $variants = 0;

sub variants {
    my ($upstreams, @forms) = @_;
    $upstreams =~ s/^VARIANTS(.*)//ms or return $upstreams;
    my $rest = $1;
    # The hash methods and random do not support backup servers.
    for my $balancer (grep { $rest !~ /backup/ || !/hash|random/ } @balancers) {
        for my $form (@forms) {
            $variants++;
            my %word = (BALANCER => $balancer, REST => $rest, ZONE => "zone_$variants");
            $upstreams .= "upstream variant_$variants { " . ($form =~ s/\b(BALANCER|REST|ZONE)\b/$word{$1}/gr) . " }\n";
        }
    }
    return $upstreams;
}

sub paths_of_variants {
    my ($upstreams) = @_;
    return 'my @variants = qw(' . join(' ', map { "/$_/" } grep { /^variant/ } names($upstreams)) . ");\n";
}

sub upstream_sections {
    my ($text, $more) = @_;
    my $servers = servers(qq[location / { return 200 "NAME"; }\n$text], qw(A B C));
    Test::Nginx::Socket::add_block_preprocessor(sub {
        my ($block) = @_;
        my $since = $block->since // $more->{since};
        $block->set_value(http_config => $servers . entrance(addressed($block->upstreams // ''), $block->locations));
        $block->set_value(no_error_log => "[warn]\n[alert]\n[crit]\n[emerg]\n")
            if !defined $block->error_log && !defined $block->no_error_log;
        $block->set_value(skip_nginx => "5: < $since") if defined $since;
        $block->set_value(skip_nginx => '5: > ' . $block->before) if defined $block->before;
    });
}

1;
