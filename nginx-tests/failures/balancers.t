# Each of nginx's load-balancing methods with a cookie, and servers that fail: the responses, the servers and their order, and the
# counters are the same as without session_sticky, for each request.
#
# A block tests a method, with or without a zone. Each of its cases has one to four requests, which start with the server that the
# method selected without session_sticky; a word is the result of a try. random selects independently each time, so it has at
# most two servers, of which the second one is the only choice left.

use Sticky qw(FaultyServers Twins);

worker_connections(4096);

our $servers = FaultyServers->new(1985, 1986, 1987);

my $next = 'proxy_next_upstream error timeout http_503 http_404;';
my $two = 'server 127.0.0.1:1985; server 127.0.0.1:1986;';
my $three = "$two server 127.0.0.1:1987;";
my $patient = 'server 127.0.0.1:1985 max_fails=3; server 127.0.0.1:1986 max_fails=3;';
my $backup = 'server 127.0.0.1:1985; server 127.0.0.1:1986 backup; server 127.0.0.1:1987 backup;';
my $one = 'server 127.0.0.1:1985;';
my $refusing = 'server 127.0.0.1:1998; server 127.0.0.1:1999;';

my @any = (
    {name => 'nothing fails', request => ['ok', 'ok', 'ok']},
    {name => 'one server fails once', request => ['reset ok', 'ok', 'ok', 'ok']},
    {name => 'one server fails less often than max_fails', servers => $patient, request => ['reset ok', 'empty ok', 'ok']},
    {name => 'one server does not respond', request => ['hang ok', 'ok']},
    {name => 'one server stops sending inside the body', request => ['body-hang', 'ok']},
    {name => 'one server closes the connection inside the body', request => ['body-empty', 'ok']},
    {name => '503', request => ['503 ok', 'ok']},
    {name => '404', request => ['404 ok', 'ok']},
    {name => '503 by all servers', request => ['503 503', 'ok', 'ok']},
    {name => '404 by all servers', request => ['404 404', 'ok']},
    {name => 'all servers fail', request => ['reset reset', 'ok', 'ok']},
    {name => 'all servers refuse connections', servers => $refusing, request => ['ok', 'ok']},
    {name => 'max_fails=0', servers => $two =~ s/;/ max_fails=0;/gr, request => ['reset ok', 'reset empty', 'ok']},
    {name => 'one server is down', servers => $two =~ s/;/ down;/r, request => ['ok', 'reset', 'ok']},
    {name => 'all servers are down', servers => $two =~ s/;/ down;/gr, request => ['ok', 'ok']},
    {name => 'a single server that fails', servers => $one, request => ['reset', 'ok', 'hang', '503']},
    {name => 'a single server that is down', servers => $one =~ s/;/ down;/r, request => ['ok']},
    {name => 'POST is not repeated', request => [{plan => 'reset ok', method => 'POST'}, {method => 'POST'}]},
    {name => 'one try', location => 'proxy_next_upstream_tries 1;', request => ['reset ok', 'ok']},
    {name => 'no time for another try', location => 'proxy_next_upstream_timeout 10ms;', request => ['hang ok', 'ok']},
    {name => 'max_conns does not limit sequential requests', servers => $two =~ s/;/ max_conns=1;/gr,
     request => ['ok', 'reset ok', 'ok', '404 ok']},
);

my @three = (
    {name => 'two of three servers fail', servers => $three, request => ['reset reset ok', 'ok', 'ok']},
    {name => 'three servers fail', servers => $three, request => ['reset empty reset', 'ok']},
    {name => 'two tries', servers => $three, location => 'proxy_next_upstream_tries 2;', request => ['reset reset ok']},
);

my @backup = (
    {name => 'a backup server takes over', servers => $backup, request => ['reset ok', 'ok', 'ok']},
    {name => 'a backup server fails as well', servers => $backup, request => ['reset reset ok', 'ok', 'ok']},
    {name => 'all servers fail, including backup servers', servers => $backup, request => ['reset reset reset', 'ok', 'ok']},
    {name => 'two tries, with backup servers', servers => $backup, location => 'proxy_next_upstream_tries 2;',
     request => ['reset reset ok', 'ok']},
);

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    my $zone = ($block->zone // '') =~ s/\s//gr;
    my $has = $block->has // '';
    my @cases = map {
        my $case = $_;
        +{%$case, balancer => $block->balancer // '', location => "$next " . ($case->{location} // ''),
         request => [map { +{args => 'key=a', ref $_ ? %$_ : (plan => $_)} } @{$case->{request}}]}
    } @any, $has =~ /three/ ? @three : (), $has =~ /backup/ ? @backup : ();
    $block->set_value(config => 'location = /peers { upstream_peers; }');
    fill($block, twins($zone, '', @cases));
    $block->set_value(client => sub { compare($servers, @cases) });
});

run_tests();

__DATA__

=== round robin, without a zone
--- has: three, backup



=== round robin, with a zone
--- has: three, backup
--- zone: round_robin



=== least_conn, without a zone
--- balancer: least_conn;
--- has: three, backup



=== least_conn, with a zone
--- balancer: least_conn;
--- has: three, backup
--- zone: least_conn



=== ip_hash, without a zone
--- balancer: ip_hash;
--- has: three



=== ip_hash, with a zone
--- balancer: ip_hash;
--- has: three
--- zone: ip_hash



=== hash, without a zone
--- balancer: hash $arg_key;
--- has: three



=== hash, with a zone
--- balancer: hash $arg_key;
--- has: three
--- zone: hash



=== hash, consistent, without a zone
--- balancer: hash $arg_key consistent;
--- has: three



=== hash, consistent, with a zone
--- balancer: hash $arg_key consistent;
--- has: three
--- zone: hash_consistent



=== random, without a zone
--- balancer: random;



=== random, with a zone
--- balancer: random;
--- zone: random



=== random two, without a zone
--- balancer: random two;



=== random two, with a zone
--- balancer: random two;
--- zone: random_two
